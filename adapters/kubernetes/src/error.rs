//! What the API server's answers mean.

use kube::Error;
use workmanager_core_domain::ports::ServiceError;
use workmanager_core_kit::chain;

/// Where the rights are that are needed.
const RIGHTS: &str = "apply deploy/knative-dedicated, whose Role has it";

/// The port's words for an answer.
pub(crate) fn told(error: &Error) -> ServiceError {
    let Error::Api(status) = error else { return ServiceError::Unavailable { said: chain(error) } };
    let said = status.message.clone();
    match status.code {
        // "… is forbidden: User "…" cannot patch resource …". A quota forbids too, and that is no matter of rights.
        401 => ServiceError::Forbidden { said: format!("the token is not accepted ({said}); {RIGHTS}") },
        403 if said.contains(" cannot ") => ServiceError::Forbidden { said: format!("{said}; {RIGHTS}") },
        400..=499 if status.code != 429 => ServiceError::Refused { said },
        code => ServiceError::Unavailable { said: format!("{code}: {said}") },
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16, message: &str) -> ServiceError {
        told(&Error::Api(Status::failure(message, "").with_code(code).boxed()))
    }

    #[test]
    fn a_missing_right_a_refusal_and_a_pause_are_told_apart() {
        let right = "services is forbidden: User \"a\" cannot create resource \"services\"";
        let error = answer(403, right);
        assert!(matches!(&error, ServiceError::Forbidden { said } if said.starts_with(right)), "{error:?}");
        assert!(error.to_string().contains("deploy/knative-dedicated"), "{error}");
        for (code, text) in [(403, "exceeded quota"), (400, "admission webhook denied"), (422, "invalid")] {
            assert!(matches!(answer(code, text), ServiceError::Refused { said } if said == text), "{code}");
        }
        for code in [429, 500, 503] {
            assert!(matches!(answer(code, "x"), ServiceError::Unavailable { .. }), "{code}");
        }
    }
}
