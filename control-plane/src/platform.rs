//! Where functions run: processes on this machine.
