//! Every system call that can lose data, with an in-memory twin that can crash.
