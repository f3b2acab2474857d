#!/bin/sh
# A runner (docs/runners.md) that copies kernel and image to another machine
# and boots them there in QEMU: `--runner 'sh ssh.sh HOST -smp 4'`, where what
# follows HOST is QEMU's. PIDONE_SSH is the ssh to use, as in `ssh -p 2222`.
set -eu

host=$1
shift
here=$(dirname "$0")

# As a word for the shell there.
quoted() {
    printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}
words=
for word in "$@"; do
    words="$words $(quoted "$word")"
done

files=$PIDONE_DIR/files
mkdir "$files"
trap 'rm -rf "$files"' EXIT
trap 'exit 143' TERM
cp "$PIDONE_KERNEL" "$files/kernel"
cp "$PIDONE_INITRD" "$files/initrd"
cp "$here/qemu.sh" "$files/qemu.sh"
# Files come first on its standard input, which then stays open for as long as
# somebody waits for the machine here.
cat >"$files/boot.sh" <<END
export PIDONE_KERNEL=kernel PIDONE_INITRD=initrd PIDONE_ARCH=$PIDONE_ARCH
export PIDONE_CMDLINE=$(quoted "$PIDONE_CMDLINE")
exec 4<&0
sh qemu.sh $words </dev/null &
qemu=\$!
{ cat <&4 >/dev/null; kill \$qemu; } 2>/dev/null &
code=0
wait \$qemu || code=\$?
kill \$! 2>/dev/null || :
exit \$code
END
unpack='dir=$(mktemp -d) && trap "rm -rf $dir" EXIT &&
    cd "$dir" && tar -xf - && sh boot.sh'
mkfifo "$files/in"
# Its output is ours, and so is its end.
${PIDONE_SSH:-ssh} "$host" "$unpack" <"$files/in" &
exec 5>"$files/in"
tar -C "$files" -cf - kernel initrd qemu.sh boot.sh >&5 2>/dev/null || :
code=0
wait $! || code=$?
# A host that cannot be reached is the lab's.
[ "$code" -ne 255 ] || code=75
exit "$code"
