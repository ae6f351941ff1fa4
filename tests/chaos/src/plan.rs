//! What is broken next: a sequence that a seed repeats.

use std::time::Duration;

use crate::fault::{Kind, Target};

/// What may be done, and how often compared with the rest.
#[derive(Debug, Clone)]
pub struct Mix(Vec<(Target, Act, u32)>);

#[derive(Debug, Clone, Copy)]
enum Act {
    Kill,
    Pause,
}

/// One planned fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How long to wait before it.
    pub after: Duration,
    /// Who is hit.
    pub target: Target,
    /// What is done.
    pub kind: Kind,
    /// Which one, if there are several: modulo their number.
    pub pick: usize,
}

/// An endless sequence of faults.
#[derive(Debug)]
pub struct Plan {
    random: fastrand::Rng,
    mix: Mix,
    /// The mean time between two faults.
    every: Duration,
}

impl Mix {
    /// Everything: kills of every process, pauses of all but the control plane.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![
            (Target::ControlPlane, Act::Kill, 4),
            (Target::Function, Act::Kill, 4),
            (Target::Function, Act::Pause, 2),
            (Target::Zygote, Act::Kill, 2),
            (Target::Zygote, Act::Pause, 1),
            (Target::Child, Act::Kill, 8),
            (Target::Child, Act::Pause, 3),
        ])
    }

    /// Kills of workers' processes and of the zygote alone: one control plane and one function live
    /// through the whole run.
    #[must_use]
    pub fn workers() -> Self {
        Self(vec![(Target::Child, Act::Kill, 4), (Target::Zygote, Act::Kill, 1)])
    }
}

impl Plan {
    /// The plan of this seed.
    #[must_use]
    pub fn new(seed: u64, mix: Mix, every: Duration) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), mix, every }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        // Each step takes the same number of random numbers, whatever it becomes.
        let after = self.every.mul_f64(self.random.f64() + 0.5);
        let total: u32 = self.mix.0.iter().map(|(_, _, weight)| weight).sum();
        let mut lot = self.random.u32(0..total);
        let millis = self.random.u64(100..=800);
        let pick = self.random.usize(0..1_000_000);
        let (target, act, _) = self.mix.0.iter().find(|(_, _, weight)| {
            let hit = lot < *weight;
            lot = lot.saturating_sub(*weight);
            hit
        })?;
        let kind = match act {
            Act::Kill => Kind::Kill,
            Act::Pause => Kind::Pause { millis },
        };
        Some(Step { after, target: *target, kind, pick })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(300);

    fn steps(seed: u64) -> Vec<Step> {
        Plan::new(seed, Mix::everything(), EVERY).take(500).collect()
    }

    #[test]
    fn a_seed_repeats_its_plan_and_another_has_another() {
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn everything_happens_within_its_bounds() {
        let steps = steps(7);
        for target in Target::ALL {
            assert!(steps.iter().any(|step| step.target == target && step.kind == Kind::Kill), "{target}");
        }
        for step in &steps {
            assert!(step.after >= EVERY / 2 && step.after <= EVERY * 3 / 2, "{step:?}");
            if let Kind::Pause { millis } = step.kind {
                assert!((100..=800).contains(&millis) && step.target != Target::ControlPlane, "{step:?}");
            }
        }
        let total: Duration = steps.iter().map(|step| step.after).sum();
        assert!(total / 500 > EVERY * 9 / 10 && total / 500 < EVERY * 11 / 10, "{total:?}");
    }
}
