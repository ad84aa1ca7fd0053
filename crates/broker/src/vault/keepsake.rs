//! Keepsakes: what somebody else keeps for us and gives back, sealed so that only this vault can read or make it.

use zeroize::Zeroizing;

use super::{Place, Purpose, Sealed, Vault, VaultError};

/// Every keepsake is sealed in this place: one cannot be passed off as a row of the vault, nor a row as a keepsake.
fn place() -> Place {
    Place { purpose: Purpose::Keepsake, name: String::new(), version: 0 }
}

impl Vault {
    /// Seals `plain` for [`Vault::unseal_keepsake`]. Reads memory only.
    ///
    /// # Errors
    /// If the cryptography library refuses.
    pub fn seal_keepsake(&self, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let sealed = self.state.load().key.seal(place(), plain)?;
        let length = u16::try_from(sealed.wrapped_key.len()).map_err(|_| VaultError::Cryptography)?;
        Ok([&length.to_be_bytes()[..], &sealed.wrapped_key, &sealed.content].concat())
    }

    /// What was sealed by [`Vault::seal_keepsake`] with the key in force.
    ///
    /// # Errors
    /// If it was not, or was changed.
    pub fn unseal_keepsake(&self, keepsake: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let damaged = || VaultError::Damaged { place: place() };
        let (length, rest) = keepsake.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (wrapped_key, content) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(damaged)?;
        let state = self.state.load();
        let sealed = Sealed {
            place: place(),
            key: state.key.id(),
            wrapped_key: wrapped_key.to_vec(),
            content: content.to_vec(),
        };
        state.key.open(&sealed)
    }
}
