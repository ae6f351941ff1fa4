//! Grants: what opens one version's code to a function, for one attempt.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use workmanager_core_domain::{Digest, Timestamp, WorkerId, digest::InvalidDigest};
use workmanager_core_kit::Secret;

/// How long a grant opens anything.
pub const LIFE: std::time::Duration = std::time::Duration::from_secs(60);

const UUID: usize = 16;
const DIGEST: usize = 32;
const EXPIRY: usize = 8;
const SIGNED: usize = UUID + DIGEST + EXPIRY;

/// What grants are signed with: 64 hex digits. It prints as `***`.
#[derive(Debug, Clone)]
pub struct Key(Secret<[u8; 32]>);

impl FromStr for Key {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Digest::from_hex(text.trim()).map(|digest| Self(Secret::new(*digest.as_bytes())))
    }
}

/// Signs and checks grants. A key that was not given lives as long as the process: a grant of an earlier
/// process is refused then, and the attempt is made again with a new one.
#[derive(Debug, Clone)]
pub struct Grants {
    key: Secret<[u8; 32]>,
}

/// A grant that opens nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// Not a grant of this process.
    #[error("the grant is not one of this control plane")]
    Forged,
    /// Its time is over.
    #[error("the grant has expired")]
    Expired,
}

impl Grants {
    /// Grants under a fresh key, from 32 random bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key: Secret::new(key) }
    }

    /// Grants under a key that other replicas have, too.
    #[must_use]
    pub fn shared(key: &Key) -> Self {
        Self { key: key.0.clone() }
    }

    /// Opens version `digest` of `worker` until [`LIFE`] after `now`.
    #[must_use]
    pub fn issue(&self, worker: WorkerId, digest: &Digest, now: Timestamp) -> String {
        let mut token = Vec::with_capacity(SIGNED + 32);
        token.extend_from_slice(worker.uuid().as_bytes());
        token.extend_from_slice(digest.as_bytes());
        token.extend_from_slice(&now.plus(LIFE).as_micros().to_be_bytes());
        let signature = self.sign(&token);
        token.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The version that `grant` opens.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check(&self, grant: &str, now: Timestamp) -> Result<Digest, Refused> {
        let token = URL_SAFE_NO_PAD.decode(grant).map_err(|_| Refused::Forged)?;
        let (signed, signature) = token.split_at_checked(SIGNED).ok_or(Refused::Forged)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.sign(signed)[..], signature)) {
            return Err(Refused::Forged);
        }
        let (digest, expiry) = signed[UUID..].split_at(DIGEST);
        let expiry: [u8; EXPIRY] = expiry.try_into().map_err(|_| Refused::Forged)?;
        if now.as_micros() > i64::from_be_bytes(expiry) {
            return Err(Refused::Expired);
        }
        let digest: [u8; DIGEST] = digest.try_into().map_err(|_| Refused::Forged)?;
        Ok(Digest::from_bytes(digest))
    }

    fn sign(&self, message: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length.
        #[expect(clippy::expect_used, reason = "HMAC-SHA-256 has no key length that fails")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose()).expect("any key length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_grant_opens_its_version_for_its_life_and_nothing_else() {
        let (grants, other) = (Grants::new([7; 32]), Grants::new([8; 32]));
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let digest = Digest::of(b"version");
        let grant = grants.issue(WorkerId::new(uuid::Uuid::nil()), &digest, now);
        assert_eq!(grants.check(&grant, now), Ok(digest));
        assert_eq!(grants.check(&grant, now.plus(LIFE)), Ok(digest));
        assert_eq!(grants.check(&grant, now.plus(LIFE + Duration::from_micros(1))), Err(Refused::Expired));
        assert_eq!(other.check(&grant, now), Err(Refused::Forged));
        for at in 0..grant.len() {
            let mut forged = grant.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_ne!(grants.check(&forged, now), Ok(Digest::of(b"other")));
            assert!(grants.check(&forged, now).is_err(), "byte {at}");
        }
        assert_eq!(grants.check("", now), Err(Refused::Forged));
    }

    #[test]
    fn replicas_with_one_key_open_each_others_grants() {
        let key = |text: &str| text.parse::<Key>();
        let given = key(&format!("{}\n", "07".repeat(32))).unwrap();
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let digest = Digest::of(b"version");
        let grant = Grants::shared(&given).issue(WorkerId::new(uuid::Uuid::nil()), &digest, now);
        assert_eq!(Grants::new([7; 32]).check(&grant, now), Ok(digest));
        assert!(key("07").is_err() && key("").is_err());
        assert_eq!(format!("{given:?}"), "Key(***)");
    }
}
