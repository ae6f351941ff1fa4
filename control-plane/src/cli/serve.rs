//! `serve`: the control plane as a service. The binary starts it and adds the options of its parts.

use clap::ValueEnum;

use super::error::Error;
use crate::platform::RemoteOptions;

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
    /// Refuses what this build does not have, and what lacks something.
    ///
    /// # Errors
    /// The profile is not built in, or needs more options.
    pub fn check(self, functions: &RemoteOptions) -> Result<(), Error> {
        match self {
            Self::Embedded | Self::Dapr | Self::Lambda if functions.dedicated.is_some() => {
                let hint = "use --profile knative, or leave out --dedicated";
                Err(Error::input("only Knative has services of single workers".to_owned(), hint))
            }
            Self::Embedded | Self::Dapr => Ok(()),
            Self::Knative if functions.urls.is_empty() => {
                let hint = "say where each kind of code runs, as in --function-url text/x-python=http://HOST";
                Err(Error::input("profile knative runs no function itself".to_owned(), hint))
            }
            Self::Knative if functions.grant_key.is_none() => {
                let hint = "give every replica the same --grant-key: `openssl rand -hex 32` makes one";
                Err(Error::input("functions may fetch code from any replica".to_owned(), hint))
            }
            Self::Knative => Ok(()),
            Self::Lambda => {
                let hint = "use --profile embedded, dapr or knative; docs/promises.md says what is still to come";
                Err(Error::input("profile lambda is not built into this program".to_owned(), hint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use workmanager_core_domain::units::Span;

    use super::*;

    fn functions(urls: &[&str], key: Option<&str>) -> RemoteOptions {
        RemoteOptions {
            urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
            limit: Span(Duration::from_secs(600)),
            grant_key: key.map(|key| key.parse().unwrap()),
            dedicated: None,
        }
    }

    #[test]
    fn a_profile_that_is_not_built_in_is_refused_with_what_to_do() {
        let none = functions(&[], None);
        assert!(Profile::Embedded.check(&none).is_ok() && Profile::Dapr.check(&none).is_ok());
        let error = Profile::Lambda.check(&none).unwrap_err();
        assert!(error.to_string().contains("not built into") && error.hint().is_some());
    }

    #[test]
    fn only_knative_has_services_of_single_workers() {
        let asked = || {
            let functions = functions(&["text/x-python=http://python.functions"], Some(&"0a".repeat(32)));
            RemoteOptions { dedicated: Some("one".to_owned()), ..functions }
        };
        for profile in [Profile::Embedded, Profile::Dapr, Profile::Lambda] {
            assert!(profile.check(&asked()).unwrap_err().hint().unwrap().contains("--dedicated"), "{profile:?}");
        }
        assert!(Profile::Knative.check(&asked()).is_ok());
    }

    #[test]
    fn knative_needs_functions_and_a_key_that_replicas_share() {
        let urls = ["text/x-python=http://python.functions"];
        let refused = |functions| Profile::Knative.check(&functions).unwrap_err();
        assert!(refused(functions(&[], None)).hint().unwrap().contains("--function-url"));
        assert!(refused(functions(&urls, None)).hint().unwrap().contains("--grant-key"));
        assert!(Profile::Knative.check(&functions(&urls, Some(&"0a".repeat(32)))).is_ok());
    }
}
