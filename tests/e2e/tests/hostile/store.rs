//! Workers that reach for what the control plane keeps.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn nobody_waits_for_a_worker_that_locks_the_store() {
    let act = "
import fcntl, glob, struct
files = [name for name in glob.glob(DATA + '/**', recursive=True) if os.path.isfile(name)]
def locks(name):
    seen.append(os.open(name, os.O_RDONLY))
    try: fcntl.fcntl(seen[-1], fcntl.F_SETLK, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 0, 0, 0))
    except PermissionError: return False
    return True
# Not given back with the answer.
return {'type': 't', 'data': [any(name.endswith('.db') for name in files), [n for n in files if locks(n)]]}";
    Scene::with_data(act).answers(&json!([true, []]));
}

#[test]
fn the_functions_own_door_is_closed_to_its_workers() {
    let act = "
import socket, stat, glob
doors = [name for name in glob.glob(DATA + '/**', recursive=True) if stat.S_ISSOCK(os.stat(name).st_mode)]
assert doors
socket.socket(socket.AF_UNIX).connect(doors[0])";
    Scene::with_data(act).fails("worker-exception", "opens no Unix sockets");
}

#[test]
fn a_worker_cannot_lock_its_user_out_of_the_data_directory() {
    Scene::with_data("os.chmod(DATA, 0)").fails("worker-exception", "changes neither the machine nor a file's owner");
}
