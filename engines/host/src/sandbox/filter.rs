//! The filter of system calls, as the program that the kernel runs.

use std::collections::BTreeMap;

use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, sock_filter};

use super::{NextProgram, denied};

/// The first number of a system call that this list has not been compared with. The numbers of another
/// calling convention (x32) are above it too.
const UNKNOWN: u32 = 470;

// As the kernel writes them: `BPF_LD | BPF_W | BPF_ABS`, and so on.
const LOAD: u16 = 0x20;
const GO_ON: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const ERRNO: u32 = 0x0005_0000;

/// The program for the process `pid`: what is refused fails with EPERM, a call with any number that is not
/// known with ENOSYS. So does `clone3`, whose arguments no filter can see; every libc then uses `clone`.
///
/// # Errors
/// There is no such program for this machine.
pub(super) fn program(pid: u32, next: NextProgram) -> Result<Vec<u8>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
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
    Ok(by_number(next).iter().chain(&rest).flat_map(bytes).collect())
}

/// What is decided by the number alone: one comparison for each, where a general rule takes five steps. The
/// kernel walks through all of them for every call there is when the filter is installed.
fn by_number(next: NextProgram) -> Vec<sock_filter> {
    let step = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let not_there = [(IF_EQUAL, libc::SYS_clone3), (IF_AT_LEAST, UNKNOWN.into())];
    let stays = |call: &i64| next == NextProgram::Refused || *call != libc::SYS_execve;
    let refused: Vec<_> = denied::always().filter(stays).map(|call| (IF_EQUAL, call)).collect();
    let mut steps = vec![step(LOAD, 0)];
    let mut left = not_there.len() + refused.len();
    for (tests, end) in [(&not_there[..], 1), (&refused[..], 2)] {
        for (code, call) in tests {
            left -= 1;
            // Over what is left, to one of the two ends. There are fewer calls than a jump is wide.
            let jt = u8::try_from(left + end).unwrap_or(u8::MAX);
            steps.push(sock_filter { jt, ..step(*code, u32::try_from(*call).unwrap_or(u32::MAX)) });
        }
    }
    steps.push(step(GO_ON, 2));
    steps.push(step(RETURN, ERRNO | libc::ENOSYS.unsigned_abs()));
    steps.push(step(RETURN, ERRNO | libc::EPERM.unsigned_abs()));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_its_process() {
        let program = |pid| program(pid, NextProgram::Refused).unwrap();
        assert_ne!(program(7), program(8));
        assert_eq!(program(7).len() % 8, 0);
    }

    #[test]
    fn every_call_comes_to_its_own_end() {
        let steps = by_number(NextProgram::Refused);
        let end = |number: u32| {
            let mut at = 1;
            loop {
                let step = &steps[at];
                let met = match step.code {
                    IF_EQUAL => number == step.k,
                    IF_AT_LEAST => number >= step.k,
                    RETURN => return Some(step.k & 0xffff),
                    _ => return None,
                };
                at += 1 + usize::from(if met { step.jt } else { step.jf });
            }
        };
        let number = |call: libc::c_long| u32::try_from(call).unwrap();
        let (refused, not_there) = (Some(1), Some(38));
        for call in denied::always() {
            assert_eq!(end(number(call)), refused, "{call}");
        }
        for number in [number(libc::SYS_clone3), UNKNOWN, 0x4000_0000 | number(libc::SYS_getpid), u32::MAX] {
            assert_eq!(end(number), not_there, "{number}");
        }
        for call in [libc::SYS_read, libc::SYS_clone, libc::SYS_futex, libc::SYS_kill] {
            assert_eq!(end(number(call)), None, "{call} is left to the rules");
        }
    }
}
