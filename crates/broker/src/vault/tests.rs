use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    sync::{Arc, Mutex},
};

use bailiwick_core::Name;
use tempfile::TempDir;

use super::{
    Change, KeyFile, KeyFileError, Place, Purpose, Sealed, SealedStore, StoreFault, Unlock, Vault, VaultError,
};
use crate::Secret;

/// Rows in memory, in the hands of whoever wants to change them.
#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<Place, Sealed>>,
    failing: Mutex<Option<Failure>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Failure {
    NothingWritten,
    WrittenAllTheSame,
}

impl SealedStore for Rows {
    fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
        Ok(self.rows.lock().unwrap().values().cloned().collect())
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreFault> {
        let failure = self.failing.lock().unwrap().take();
        if failure != Some(Failure::NothingWritten) {
            let mut rows = self.rows.lock().unwrap();
            for change in changes {
                match change {
                    Change::Put(row) => rows.insert(row.place.clone(), row.clone()),
                    Change::Delete(place) => rows.remove(place),
                };
            }
        }
        failure.map_or(Ok(()), |_| Err("the disk is full".into()))
    }
}

struct Home {
    directory: TempDir,
    rows: Arc<Rows>,
}

impl Home {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), rows: Arc::default() }
    }

    fn key_path(&self) -> std::path::PathBuf {
        self.directory.path().join("vault.key")
    }

    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(Unlock::KeyFile(KeyFile::at(self.key_path())), self.rows.clone())
    }

    fn row(&self, name: &str) -> Sealed {
        self.rows.rows.lock().unwrap().values().rfind(|row| row.place.name == name).unwrap().clone()
    }

    fn put_row(&self, row: Sealed) {
        self.rows.rows.lock().unwrap().insert(row.place.clone(), row);
    }

    fn fail_next(&self, failure: Failure) {
        *self.rows.failing.lock().unwrap() = Some(failure);
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

fn holds(vault: &Vault, of: &str, text: &str) -> bool {
    vault.reveal(&name(of)).unwrap().0 == secret(text)
}

#[test]
fn secrets_survive_a_restart_and_a_later_one_replaces_an_earlier() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    vault.put(&name("mail"), &secret("MARKER-mail-1")).unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-2")).unwrap();
    for vault in [vault, home.open().unwrap()] {
        assert!(holds(&vault, "forge", "MARKER-forge-2"));
        assert!(holds(&vault, "mail", "MARKER-mail-1"));
        assert_eq!(vault.generation(), 4);
        assert_eq!(vault.names(), BTreeMap::from([(name("forge"), 4), (name("mail"), 3)]));
    }
    // Each secret has one row, and the index has one.
    assert_eq!(home.rows.rows.lock().unwrap().len(), 3);
}

#[test]
fn a_removed_secret_is_gone_from_the_store() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    vault.remove(&name("forge")).unwrap();
    assert!(matches!(vault.reveal(&name("forge")), Err(VaultError::Unknown { .. })));
    assert!(matches!(vault.remove(&name("forge")), Err(VaultError::Unknown { .. })));
    assert_eq!(home.rows.rows.lock().unwrap().len(), 1);
}

#[test]
fn nothing_in_a_row_is_plain_and_equal_secrets_look_different() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("a"), &secret("MARKER-same-secret")).unwrap();
    vault.put(&name("b"), &secret("MARKER-same-secret")).unwrap();
    let (a, b) = (home.row("a"), home.row("b"));
    for row in [&a, &b, &home.row("index")] {
        for bytes in [&row.content, &row.wrapped_key] {
            assert!(!bytes.windows(6).any(|part| part == b"MARKER"));
        }
    }
    assert_ne!(a.content, b.content);
    assert_ne!(a.wrapped_key, b.wrapped_key);
    let of = |of: &str| vault.fingerprint(&vault.reveal(&name(of)).unwrap().0);
    assert_eq!(of("a"), of("b"));
    let elsewhere = Home::new().open().unwrap();
    assert_ne!(of("a"), elsewhere.fingerprint(&secret("MARKER-same-secret")));
}

#[test]
fn a_row_opens_only_in_its_place() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("cheap"), &secret("MARKER-cheap-1")).unwrap();
    vault.put(&name("dear"), &secret("MARKER-dear-1")).unwrap();
    let (cheap, dear) = (home.row("cheap"), home.row("dear"));
    for moved in [
        Sealed { place: dear.place.clone(), ..cheap.clone() },
        Sealed { content: cheap.content.clone(), ..dear.clone() },
        Sealed { wrapped_key: cheap.wrapped_key.clone(), ..dear.clone() },
    ] {
        home.put_row(moved);
        let error = home.open().unwrap().reveal(&name("dear")).unwrap_err();
        assert!(matches!(&error, VaultError::Damaged { place } if *place == dear.place), "{error}");
        assert!(error.to_string().contains("bailiwick secret set dear"));
    }
    let as_index = Place { purpose: Purpose::Index, name: "index".into(), version: 99 };
    home.put_row(Sealed { place: as_index, ..cheap });
    assert!(matches!(home.open(), Err(VaultError::Damaged { .. })));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let good = home.row("forge");
    for bit in 0..8 * good.content.len() {
        let mut row = good.clone();
        row.content[bit / 8] ^= 1 << (bit % 8);
        home.put_row(row);
        assert!(matches!(home.open().unwrap().reveal(&name("forge")), Err(VaultError::Damaged { .. })));
    }
    for length in 0..good.content.len() {
        home.put_row(Sealed { content: good.content[..length].to_vec(), ..good.clone() });
        assert!(matches!(home.open().unwrap().reveal(&name("forge")), Err(VaultError::Damaged { .. })));
    }
}

#[test]
fn an_earlier_version_cannot_be_put_back() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let earlier = home.row("forge");
    vault.put(&name("forge"), &secret("MARKER-forge-2")).unwrap();
    let current = home.row("forge");
    // Beside the current row it is ignored; as the current row it does not open; instead of it, the current one is missing.
    home.put_row(earlier.clone());
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-2"));
    home.put_row(Sealed { place: current.place.clone(), ..earlier.clone() });
    assert!(matches!(home.open().unwrap().reveal(&name("forge")), Err(VaultError::Damaged { .. })));
    home.rows.rows.lock().unwrap().remove(&current.place);
    assert!(matches!(home.open().unwrap().reveal(&name("forge")), Err(VaultError::Missing { .. })));
    // Also not after the secret was removed and set again.
    let vault = home.open().unwrap();
    vault.remove(&name("forge")).unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-3")).unwrap();
    home.put_row(earlier);
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-3"));
}

#[test]
fn secrets_without_an_index_are_not_taken_for_a_new_vault() {
    let home = Home::new();
    home.open().unwrap().put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let index = home.row("index").place;
    home.rows.rows.lock().unwrap().remove(&index);
    assert!(matches!(home.open(), Err(VaultError::IndexMissing)));
}

#[test]
fn after_a_failed_write_the_store_says_what_is_true() {
    for (failure, written) in [(Failure::NothingWritten, false), (Failure::WrittenAllTheSame, true)] {
        let home = Home::new();
        let vault = home.open().unwrap();
        vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
        home.fail_next(failure);
        assert!(matches!(vault.put(&name("other"), &secret("MARKER-other-1")), Err(VaultError::Store(_))));
        assert!(vault.version(&name("other")).is_none());
        vault.put(&name("forge"), &secret("MARKER-forge-2")).unwrap();
        for vault in [vault, home.open().unwrap()] {
            assert!(holds(&vault, "forge", "MARKER-forge-2"));
            assert_eq!(vault.version(&name("other")).is_some(), written);
        }
        assert_eq!(home.rows.rows.lock().unwrap().len(), if written { 3 } else { 2 });
    }
}

#[test]
fn rows_that_nobody_knows_go_with_the_next_change() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let earlier = home.row("forge");
    vault.put(&name("forge"), &secret("MARKER-forge-2")).unwrap();
    home.put_row(earlier.clone());
    let vault = home.open().unwrap();
    vault.put(&name("other"), &secret("MARKER-other-1")).unwrap();
    assert!(!home.rows.rows.lock().unwrap().contains_key(&earlier.place));
}

#[test]
fn a_new_key_opens_what_the_old_one_sealed() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let (old_key, old_file, old_row) = (vault.key(), fs::read(home.key_path()).unwrap(), home.row("forge"));
    let fingerprint = vault.fingerprint(&secret("MARKER-forge-1"));
    let new_key = vault.rotate_key().unwrap();
    assert_ne!(new_key, old_key);
    let row = home.row("forge");
    assert_eq!(row.content, old_row.content);
    assert_ne!(row.wrapped_key, old_row.wrapped_key);
    for vault in [vault, home.open().unwrap()] {
        assert_eq!(vault.key(), new_key);
        assert!(holds(&vault, "forge", "MARKER-forge-1"));
        assert_eq!(vault.fingerprint(&secret("MARKER-forge-1")), fingerprint);
    }
    fs::write(home.key_path(), old_file).unwrap();
    let error = home.open().unwrap_err();
    assert!(
        matches!(&error, VaultError::WrongKey { needed, found, .. } if *needed == new_key && *found == old_key)
    );
    assert!(error.to_string().contains(home.key_path().to_str().unwrap()));
}

#[test]
fn a_rotation_cut_off_anywhere_loses_nothing() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let staged = home.directory.path().join("vault.key.next");
    // Before the rows were written: the old key stays.
    home.fail_next(Failure::NothingWritten);
    assert!(vault.rotate_key().is_err());
    assert!(staged.exists());
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-1"));
    // After the rows were written, unnoticed or before the file was moved: the staged key takes over.
    home.fail_next(Failure::WrittenAllTheSame);
    assert!(vault.rotate_key().is_err());
    let reopened = home.open().unwrap();
    assert!(!staged.exists());
    assert!(holds(&reopened, "forge", "MARKER-forge-1"));
    // The vault that did not notice goes on from what was written, whatever fails next.
    home.fail_next(Failure::NothingWritten);
    assert!(vault.rotate_key().is_err());
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-1"));
    vault.put(&name("other"), &secret("MARKER-other-1")).unwrap();
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-1"));
    vault.rotate_key().unwrap();
    assert!(!staged.exists());
    assert!(holds(&home.open().unwrap(), "other", "MARKER-other-1"));
    // A current key that is not the one is never preferred to a staged one that is.
    fs::rename(home.key_path(), &staged).unwrap();
    fs::write(home.key_path(), (0..32).collect::<Vec<u8>>()).unwrap();
    fs::set_permissions(home.key_path(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-1"));
}

#[test]
fn a_key_that_is_gone_is_not_made_again() {
    let home = Home::new();
    home.open().unwrap();
    fs::remove_file(home.key_path()).unwrap();
    assert!(matches!(home.open(), Err(VaultError::KeyMissing { .. })));
    assert!(!home.key_path().exists());
}

#[test]
fn the_key_file_is_private_and_its_own() {
    let home = Home::new();
    home.open().unwrap();
    let path = home.key_path();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = home.open().unwrap_err();
        assert!(matches!(error, VaultError::KeyFile(KeyFileError::Exposed { .. })), "{error}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let real = home.directory.path().join("real");
    fs::rename(&path, &real).unwrap();
    symlink(&real, &path).unwrap();
    assert!(matches!(home.open(), Err(VaultError::KeyFile(KeyFileError::Io { .. }))));
    fs::remove_file(&path).unwrap();
    for content in [vec![], vec![1; 31], vec![1; 33], vec![0; 32]] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(home.open(), Err(VaultError::KeyFile(KeyFileError::NotAKey { .. }))));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(home.open().is_err());
}

#[test]
fn a_key_file_of_somebody_else_is_not_used() {
    let directory = TempDir::new().unwrap();
    let path = if rustix::process::geteuid().is_root() {
        let path = directory.path().join("vault.key");
        fs::write(&path, (0..32).collect::<Vec<u8>>()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(12345), None).unwrap();
        path
    } else {
        Path::new("/etc/passwd").to_owned()
    };
    let error = Vault::open(Unlock::KeyFile(KeyFile::at(path)), Arc::new(Rows::default())).unwrap_err();
    assert!(matches!(error, VaultError::KeyFile(KeyFileError::NotOurs { .. })), "{error}");
}

#[test]
fn a_first_start_that_was_cut_off_is_completed() {
    let home = Home::new();
    home.fail_next(Failure::NothingWritten);
    assert!(matches!(home.open(), Err(VaultError::Store(_))));
    let key = fs::read(home.key_path()).unwrap();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    assert_eq!(fs::read(home.key_path()).unwrap(), key);
}

#[test]
fn nothing_shows_a_secret() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let shown = format!("{vault:?} {:?} {:?}", home.row("forge"), vault.reveal(&name("forge")).unwrap());
    assert!(!shown.contains("MARKER"));
}

#[test]
fn every_part_of_a_place_is_bound() {
    let key = super::VaultKey::new(&[7; 32]).unwrap();
    let place = Place { purpose: Purpose::Credential, name: "forge".into(), version: 3 };
    let sealed = key.seal(place.clone(), b"MARKER-forge-1").unwrap();
    assert_eq!(key.open(&sealed).unwrap().as_slice(), b"MARKER-forge-1");
    for other in [
        Place { purpose: Purpose::Index, ..place.clone() },
        Place { name: "forgf".into(), ..place.clone() },
        Place { name: "forg".into(), ..place.clone() },
        Place { version: 4, ..place.clone() },
    ] {
        let moved = Sealed { place: other, ..sealed.clone() };
        assert!(matches!(key.open(&moved), Err(VaultError::Damaged { .. })), "{}", moved.place);
        // Also the content alone, with a data key that belongs there.
        let there = key.seal(moved.place.clone(), b"MARKER-other").unwrap();
        assert!(key.open(&Sealed { content: sealed.content.clone(), ..there }).is_err());
    }
}

#[test]
fn a_staged_key_that_was_cut_off_is_made_again() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let staged = home.directory.path().join("vault.key.next");
    fs::write(&staged, b"half").unwrap();
    fs::set_permissions(&staged, fs::Permissions::from_mode(0o600)).unwrap();
    vault.rotate_key().unwrap();
    assert!(holds(&home.open().unwrap(), "forge", "MARKER-forge-1"));
}

#[test]
fn a_keepsake_comes_back_whole_or_not_at_all() {
    let home = Home::new();
    let vault = home.open().unwrap();
    let keepsake = vault.seal_keepsake(b"MARKER session state").unwrap();
    assert!(!keepsake.windows(6).any(|part| part == b"MARKER"));
    assert_eq!(home.open().unwrap().unseal_keepsake(&keepsake).unwrap().as_slice(), b"MARKER session state");
    for at in 0..keepsake.len() {
        let mut changed = keepsake.clone();
        changed[at] ^= 1;
        assert!(vault.unseal_keepsake(&changed).is_err(), "byte {at}");
        assert!(vault.unseal_keepsake(&keepsake[..at]).is_err(), "{at} bytes");
    }
    assert!(Home::new().open().unwrap().unseal_keepsake(&keepsake).is_err());
    // A row of the vault is none, whoever copies it out of the database.
    vault.put(&name("forge"), &secret("MARKER-forge-1")).unwrap();
    let row = home.row("forge");
    let length = u16::try_from(row.wrapped_key.len()).unwrap().to_be_bytes();
    let forged = [&length[..], &row.wrapped_key, &row.content].concat();
    assert!(matches!(vault.unseal_keepsake(&forged), Err(VaultError::Damaged { .. })));
}
