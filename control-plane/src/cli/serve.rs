//! `serve`: the control plane as a service. The binary starts it and adds the options of its parts.

use clap::ValueEnum;

use super::error::Error;

/// Arguments of `serve` itself.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Which store and bus, and where functions run.
    #[arg(long, value_enum, env = "WORKMANAGER_PROFILE", default_value_t = Profile::Embedded)]
    pub profile: Profile,
    /// Print the effective configuration and end.
    #[arg(long)]
    pub print_config: bool,
}

/// A store, a bus, and a place where functions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// One SQLite file, and function processes on this machine.
    Embedded,
    /// Dapr's state store and pub/sub.
    Dapr,
    /// Dapr, with functions as Knative Services.
    Knative,
    /// DynamoDB, SQS and AWS Lambda.
    Lambda,
}

impl Profile {
    /// Refuses what this build does not have.
    ///
    /// # Errors
    /// The profile is not built in.
    pub fn check(self) -> Result<(), Error> {
        let name = match self {
            Self::Embedded | Self::Dapr => return Ok(()),
            Self::Knative => "knative",
            Self::Lambda => "lambda",
        };
        let hint = "use --profile embedded or dapr; docs/promises.md says what is still to come";
        Err(Error::input(format!("profile {name} is not built into this program"), hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_is_not_built_in_is_refused_with_what_to_do() {
        assert!(Profile::Embedded.check().is_ok() && Profile::Dapr.check().is_ok());
        for profile in [Profile::Knative, Profile::Lambda] {
            let error = profile.check().unwrap_err();
            assert!(error.to_string().contains("not built into") && error.hint().is_some());
        }
    }
}
