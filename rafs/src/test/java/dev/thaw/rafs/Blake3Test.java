package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Blake3Test {
    /** Of the reference implementation's test vectors: input byte i is i mod 251. */
    @ParameterizedTest
    @CsvSource({
        "0,af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        "1,2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        "1024,42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        "1025,d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
        "2048,e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
        "2049,5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
        "3072,b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
        "4096,015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969",
        "102400,bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
    })
    void digestsAsTheReferenceDoes(int length, String expected) {
        byte[] data = new byte[length];
        for (int i = 0; i < length; i++) {
            data[i] = (byte) (i % 251);
        }
        byte[] digest = new byte[32];
        var blake3 = new Blake3();
        blake3.digest(MemorySegment.ofArray(data), digest);
        blake3.digest(MemorySegment.ofArray(data), digest);

        assertThat(HexFormat.of().formatHex(digest)).isEqualTo(expected);
    }
}
