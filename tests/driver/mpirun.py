"""What the tests of runs on several ranks share: starting ranks with each MPI library that is
here."""
import os
import shutil
import subprocess
import time

# Open MPI refuses root, and more ranks than cores, unless it is told; ranks that are bound to a
# core of their own would all get the same.
SETTINGS = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "OMPI_MCA_hwloc_base_binding_policy": "none",
            "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
LAUNCHERS = {"openmpi": "mpirun.openmpi", "mpich": "mpirun.mpich"}


def libraries(couplet):
    """The MPI libraries that both a launcher and a module are here for."""
    beside = os.path.join(os.path.dirname(couplet), "runtime")
    return [name for name, launcher in LAUNCHERS.items() if shutil.which(launcher) and
            os.path.exists(f"{beside}/libcouplet_mpi_{name}.so")]


def environment(more=None):
    """Ranks of a test are not those of a launcher that the tests themselves run under."""
    own = {name: value for name, value in os.environ.items()
           if not name.startswith(("OMPI_", "PMI", "SLURM_"))}
    return {**own, **SETTINGS, "OMP_NUM_THREADS": "1", **(more or {})}


def line(library, *groups):
    """The command line that starts groups of ranks, (2, [program, argument, ..]) each."""
    words = [LAUNCHERS[library]]
    for i, (count, command) in enumerate(groups):
        words += [":"] * (i > 0) + ["-n", str(count), *map(str, command)]
    return words


def run(library, *groups, env=None, timeout=300):
    """Runs the ranks to their end."""
    return subprocess.run(line(library, *groups), capture_output=True, text=True, timeout=timeout,
                          env=environment(env), stdin=subprocess.DEVNULL)


def start(library, out, *groups, env=None):
    """Starts the ranks, with what they say in the files out.txt and out.err."""
    with open(out + ".txt", "w") as told, open(out + ".err", "w") as errors:
        return subprocess.Popen(line(library, *groups), stdout=told, stderr=errors,
                                env=environment(env), stdin=subprocess.DEVNULL,
                                start_new_session=True)


def children(process):
    """The processes below one, by their parents, of which the ranks are the leaves."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    below, found = [process], []
    while below:
        parent = below.pop()
        under = [child for child, of in parents.items() if of == parent]
        below += under
        found += under
    return found


def ranks(process, rank_of=("OMPI_COMM_WORLD_RANK", "PMI_RANK")):
    """The processes of the ranks by their number."""
    found = {}
    for child in children(process.pid):
        try:
            with open(f"/proc/{child}/environ", "rb") as file:
                words = dict(word.split(b"=", 1) for word in file.read().split(b"\0")
                             if b"=" in word)
        except OSError:
            continue
        for name in rank_of:
            if name.encode() in words:
                found[int(words[name.encode()])] = child
    return found


def wait_for(truth, seconds=600):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if truth():
            return True
        time.sleep(0.02)
    return False
