# What tools/package.sh does with the packages of /packages in a clean Debian 12, as its root.
set -eu
export DEBIAN_FRONTEND=noninteractive
log=/packages/apt.log

says() { echo "ok      $1"; }
install() {
    apt-get install -y --no-install-recommends "$@" >>$log 2>&1 || { tail -n 20 $log; exit 1; }
}

apt-get update >$log 2>&1
find / -xdev -path /proc -prune -o -path /packages -prune -o -path /var -prune -o -print |
    sort >/packages/before
dpkg-query -W -f '${Package}\n' | sort >/packages/before.names
install /packages/*.deb dataset-fashion-mnist
says "apt installs them: $(dpkg-query -W -f '${Package} ${Version}  ' '*couplet*')"

mkdir -p /tmp/trial
cd /tmp/trial
cat >tiny.cpl <<'S'
use nn, augment, optim, losses
data train = data.fashion_mnist("train", per_class = 20)
data test = data.fashion_mnist("test", per_class = 5)
view a, b = augment.simclr(train.image)
net encoder = trunk: nn.convnet(width = 4) >> head: nn.linear(8)
loss losses.nt_xent(encoder(a), encoder(b), tau = 0.5)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, features = encoder.trunk, bank = train, query = test) }
S
couplet --version
couplet check tiny.cpl
couplet train tiny.cpl --quiet --out run
test -s run/checkpoint.safetensors
says "it checks and trains"

couplet build tiny.cpl -o tiny --target x86-64-v2
./tiny --version
couplet build tiny.cpl -o lib --emit lib --target x86-64-v2
cat >use.c <<'S'
#include <couplet.h>
#include <stdio.h>
int main(void) { return puts(couplet_version()) < 0; }
S
gcc use.c -o use -lcouplet
./use
says "it builds programs, and the header and the library are found"

couplet data --reader images /tmp/trial 2>&1 | grep -q 'E607' && { echo "no reader"; exit 1; }
says "the readers are found"

install openmpi-bin openssh-client
mount -t sysfs sysfs /sys # Open MPI looks at the processors; the mount ends with this system
mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 \
    couplet train tiny.cpl --quiet --threads 1 --out ranks
couplet train tiny.cpl --quiet --shards 8 --out one
cmp one/checkpoint.safetensors ranks/checkpoint.safetensors
says "two processes of mpirun train what one does"

cd /
python3 - <<'S'
import couplet
import numpy as np
z, w = np.random.default_rng(0).normal(size=(2, 64, 8))
value, gradients = couplet.load("losses").nt_xent.value_and_grad(z, w, tau=0.5)
assert gradients["z"].shape == (64, 8) and np.isfinite(value)
S
says "Python finds it"
test -s /usr/share/man/man1/couplet.1.gz
says "the manual page is there"

install /packages/newer/*.deb
dpkg-query -W -f '${Version}\n' couplet | grep -q later
couplet check /tmp/trial/tiny.cpl >/dev/null
says "they are upgraded: $(couplet --version)"

dpkg-query -W -f '${Package}\n' | sort | comm -13 /packages/before.names - |
    xargs apt-get purge -y >>$log 2>&1
rm -rf /tmp/trial ~/.cache
find / -xdev -path /proc -prune -o -path /packages -prune -o -path /var -prune -o -print |
    sort | comm -13 /packages/before - >/packages/left
if grep -i couplet /packages/left; then
    echo "FAILED  the lines above are left after the purge"
    exit 1
fi
says "they are purged, and nothing of them is left"
