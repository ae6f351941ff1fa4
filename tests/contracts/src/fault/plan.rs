//! Which operation fails how.

use std::{fmt, future::Future};

use super::{Fault, Operation};

/// Decides for each operation what goes wrong with it.
pub struct Plan(Box<Decide>);

type Decide = dyn FnMut(&Operation) -> Option<Fault> + Send;

impl Plan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::when(|_| None)
    }

    /// The operations with these numbers go wrong, counted from 1.
    #[must_use]
    pub fn at(faults: impl Into<Vec<(u64, Fault)>>) -> Self {
        let faults: Vec<_> = faults.into();
        Self::when(move |operation| {
            faults.iter().find(|(number, _)| *number == operation.number).map(|(_, fault)| *fault)
        })
    }

    /// `decide` says.
    #[must_use]
    pub fn when(decide: impl FnMut(&Operation) -> Option<Fault> + Send + 'static) -> Self {
        Self(Box::new(decide))
    }

    /// One in `one_in` operations goes wrong, by chance. The same seed gives the same chances.
    #[must_use]
    pub fn seeded(seed: u64, one_in: u64, faults: &'static [Fault]) -> Self {
        let mut state = seed;
        Self::when(move |_| {
            let chance = random(&mut state);
            let which = random(&mut state) as usize % faults.len();
            chance.is_multiple_of(one_in).then(|| faults[which])
        })
    }

    pub(super) fn fault(&mut self, operation: &Operation) -> Option<Fault> {
        (self.0)(operation)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plan")
    }
}

/// Runs `scenario` without a fault, and then once for each of `faults` at each of the operations that
/// it needed. It gets a plan and says how many operations there were; what must hold it checks itself.
pub async fn at_every_step<R: Future<Output = u64>>(faults: &[Fault], mut scenario: impl FnMut(Plan) -> R) {
    let operations = scenario(Plan::none()).await;
    assert!(operations > 0, "the scenario uses the store");
    for number in 1..=operations {
        for fault in faults {
            scenario(Plan::at([(number, *fault)])).await;
        }
    }
}

/// SplitMix64: small, and good enough to spread faults.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
