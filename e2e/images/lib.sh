# What the image scripts share; sourced by bash.

# closure PACKAGE...: the packages and all that they depend on, one a line, without what only configures a system
closure() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
        grep -E '^[a-z0-9]' | grep -vE '^(debconf|cdebconf|dpkg|perl-base|init-system-helpers|tar|sensible-utils|usrmerge)' | sort -u
}

# unpack FOLDER PACKAGE...: their files, on Debian's merged /usr
unpack() {
    local folder=$1 work deb
    shift
    work=$(mktemp -d)
    mkdir -p "$work/debs" "$work/files"
    (cd "$work/debs" && chmod 777 . && apt-get -qq -o APT::Sandbox::User=root download "$@" >&2)
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/files"; done
    mkdir -p "$folder/usr"
    for dir in bin sbin lib lib64; do
        [ -d "$work/files/$dir" ] || continue
        mkdir -p "$work/files/usr/$dir"
        cp -a "$work/files/$dir/." "$work/files/usr/$dir/"
        rm -rf "${work:?}/files/$dir"
    done
    cp -a "$work/files/." "$folder/"
    rm -rf "$work"
}

# A layout is made as an OCI image layout: start, one `layer` a folder, finish.
layout_start() { # layout_start OUT
    layout=$1 layers= diff_ids=
    rm -rf "$layout"
    mkdir -p "$layout/blobs/sha256"
}

# put FILE: moves it among the blobs; sets $digest and $size
put() {
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
}

layer() { # layer FOLDER: its tar, gzipped, becomes the next layer
    local folder=$1 diff
    tar --xattrs --xattrs-include='*' --format=posix --sort=name --numeric-owner --pax-option=delete=atime,delete=ctime \
        --mtime=@1700000000 -cf "$layout/layer.tar" -C "$folder" .
    diff=$(sha256sum "$layout/layer.tar" | cut -d ' ' -f 1)
    gzip -n -1 "$layout/layer.tar"
    put "$layout/layer.tar.gz"
    layers="$layers${layers:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
    diff_ids="$diff_ids${diff_ids:+,}\"sha256:$diff\""
}

layout_finish() { # layout_finish CONFIG: the image's "config" object, as JSON
    local arch config config_size
    arch=$(dpkg --print-architecture)
    printf '{"architecture":"%s","os":"linux","created":"2024-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
        "$arch" "$1" "$diff_ids" > "$layout/config"
    put "$layout/config"
    config=$digest config_size=$size
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
        "$config" "$config_size" "$layers" > "$layout/manifest"
    put "$layout/manifest"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}}]}' \
        "$digest" "$size" "$arch" > "$layout/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
}

# layout_tar OUT.tar NAME: the layout as one file that `ctr images import` and `kind load` take, under that name
layout_tar() {
    sed -i "s|\"platform\":|\"annotations\":{\"io.containerd.image.name\":\"$2\"},&|" "$layout/index.json"
    tar -cf "$1.part" -C "$layout" .
    mv "$1.part" "$1"
}
