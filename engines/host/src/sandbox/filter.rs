//! The filter of system calls, as the program that the kernel runs.

use std::collections::BTreeMap;

use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter, sock_filter};

use super::denied;

/// The first number of a system call that this list has not been compared with. The numbers of another
/// calling convention (x32) are above it too.
const UNKNOWN: u32 = 470;

/// The program for the process `pid`: what is refused fails with EPERM, a call with any number that is not
/// known with ENOSYS. So does `clone3`, whose arguments no filter can see; every libc then uses `clone`.
///
/// # Errors
/// There is no such program for this machine.
pub(super) fn program(pid: u32) -> Result<Vec<u8>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<_>> = denied::always().map(|call| (call, Vec::new())).collect();
    for (call, rule) in denied::sometimes(pid) {
        rules.entry(call).or_default().push(rule?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into()?;
    let rest: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()?;
    let bytes = |it: &sock_filter| {
        let [k0, k1, k2, k3] = it.k.to_ne_bytes();
        let [code0, code1] = it.code.to_ne_bytes();
        [code0, code1, it.jt, it.jf, k0, k1, k2, k3]
    };
    Ok(prologue().iter().chain(&rest).flat_map(bytes).collect())
}

/// Before the rules: the calls that are answered as if the kernel did not have them.
fn prologue() -> [sock_filter; 4] {
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(UNKNOWN);
    let (not_there, at_number) = (ERRNO | libc::ENOSYS.unsigned_abs(), 0);
    [
        sock_filter { code: LOAD, jt: 0, jf: 0, k: at_number },
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: clone3 },
        sock_filter { code: IF_AT_LEAST, jt: 0, jf: 1, k: UNKNOWN },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: not_there },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_program_and_it_knows_the_process() {
        let (one, two) = (program(7).unwrap(), program(8).unwrap());
        assert_eq!(one.len() % 8, 0);
        assert!(one.len() / 8 < 600, "the kernel reads it for each call that it does not remember: {}", one.len() / 8);
        assert_ne!(one, two);
    }
}
