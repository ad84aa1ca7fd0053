//! The vault's sealed rows, kept in the state store: two crates that need not know each other, joined here.

use std::sync::Arc;

use bailiwick_broker::{Change, KeyId, Place, Purpose, Sealed, SealedStore, StoreFault};
use bailiwick_store::{SealedChange, SealedRow, StateStore};

/// A [`SealedStore`] over a [`StateStore`].
#[derive(Debug)]
pub struct VaultRows(pub Arc<dyn StateStore>);

impl SealedStore for VaultRows {
    fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
        self.0.sealed()?.into_iter().map(from_row).collect()
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreFault> {
        let changes: Vec<_> = changes.iter().map(to_change).collect();
        Ok(self.0.change_sealed(&changes)?)
    }
}

fn from_row(row: SealedRow) -> Result<Sealed, StoreFault> {
    let purpose = Purpose::from_text(&row.purpose)
        .ok_or_else(|| format!("a sealed row is for `{}`, which this build does not know", row.purpose))?;
    let place = Place { purpose, name: row.name, version: row.version };
    Ok(Sealed { place, key: KeyId(row.key), wrapped_key: row.wrapped_key, content: row.content })
}

fn to_change(change: &Change) -> SealedChange {
    match change {
        Change::Put(sealed) => SealedChange::Put(SealedRow {
            purpose: sealed.place.purpose.as_str().to_owned(),
            name: sealed.place.name.clone(),
            version: sealed.place.version,
            key: sealed.key.0,
            wrapped_key: sealed.wrapped_key.clone(),
            content: sealed.content.clone(),
        }),
        Change::Delete(place) => SealedChange::Delete {
            purpose: place.purpose.as_str().to_owned(),
            name: place.name.clone(),
            version: place.version,
        },
    }
}
