package dev.thaw.agent.mount;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.rafs.Inode;
import java.lang.foreign.Arena;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.Struct;
import org.junit.jupiter.api.Test;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.FuseFileInfo;

/** Our struct offsets against jnr-fuse's, which come from somebody else's reading of the headers. */
final class StatLayoutTest {
    @Test
    void writesWhatAnotherBindingReads() {
        var layout = StatLayout.here();
        try (var arena = Arena.ofConfined()) {
            var memory = arena.allocate(layout.bytes(), 8);
            layout.write(memory, new Inode(77, 0104755, 12345, 1000, 2000, 1_700_000_000L, 123, 3, 0x103, false));

            var stat = FileStat.of(Pointer.wrap(Runtime.getSystemRuntime(), memory.address()));

            assertThat(stat.st_ino.longValue()).isEqualTo(77);
            assertThat(stat.st_mode.intValue()).isEqualTo(0104755);
            assertThat(stat.st_nlink.longValue()).isEqualTo(3);
            assertThat(stat.st_uid.longValue()).isEqualTo(1000);
            assertThat(stat.st_gid.longValue()).isEqualTo(2000);
            assertThat(stat.st_rdev.longValue()).isEqualTo(0x103);
            assertThat(stat.st_size.longValue()).isEqualTo(12345);
            assertThat(stat.st_blocks.longValue()).isEqualTo(25);
            assertThat(stat.st_mtim.tv_sec.longValue()).isEqualTo(1_700_000_000L);
            assertThat(stat.st_mtim.tv_nsec.longValue()).isEqualTo(123);
            assertThat(Struct.size(stat)).isEqualTo(layout.bytes());
        }
    }

    @Test
    void theFileHandleLiesWhereAnotherBindingHasIt() {
        try (var arena = Arena.ofConfined()) {
            var memory = arena.allocate(64, 8);
            var information = FuseFileInfo.of(Pointer.wrap(Runtime.getSystemRuntime(), memory.address()));

            assertThat(information.fh.offset()).isEqualTo(LibFuseTree.FILE_HANDLE);
        }
    }
}
