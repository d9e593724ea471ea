//! Whose folder it is.

use std::{fs, os::unix::fs as unix, os::unix::fs::PermissionsExt};

use super::*;

#[test]
fn a_folder_is_made_for_its_owner_alone() {
    let place = Place::new();
    let kept = place.open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.data()), 0o700);
    for file in fs::read_dir(place.data()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(kept);
}

#[test]
fn a_second_server_is_refused_and_told_who_the_first_is() {
    let place = Place::new();
    let kept = place.open();
    let refused = place.try_open().unwrap_err();
    assert!(
        matches!(refused, OpenError::Used { pid: Some(pid) } if pid == std::process::id()),
        "{refused:?}"
    );
    drop(kept);
    place.open();
}

#[test]
fn no_more_than_the_last_folder_is_made() {
    let place = Place::new();
    let refused = Folder::open(&place.0.join("a/b")).unwrap_err();
    assert!(matches!(refused, OpenError::NoParent), "{refused:?}");
}

#[test]
fn a_file_and_a_link_are_no_folder() {
    let place = Place::new();
    fs::write(place.data(), "").unwrap();
    let refused = Folder::open(&place.data()).unwrap_err();
    assert!(matches!(refused, OpenError::NotAFolder), "{refused:?}");
    let refused = Folder::open(&place.data().join("below")).unwrap_err();
    assert!(matches!(refused, OpenError::NotAFolder), "{refused:?}");
    let link = place.0.join("link");
    unix::symlink(&place.0, &link).unwrap();
    let refused = Folder::open(&link).unwrap_err();
    assert!(matches!(refused, OpenError::Link(_)), "{refused:?}");
}

#[test]
fn a_database_or_a_lock_that_is_a_link_is_refused() {
    for (file, is_link) in [("history.db", true), ("lock", true), ("history.db", false)] {
        let place = Place::new();
        fs::create_dir(place.data()).unwrap();
        let target = place.0.join("target");
        fs::write(&target, "precious").unwrap();
        if is_link {
            unix::symlink(&target, place.data().join(file)).unwrap();
        } else {
            fs::create_dir(place.data().join(file)).unwrap();
        }
        let refused = Folder::open(&place.data()).unwrap_err();
        match refused {
            OpenError::Link(path) if is_link => assert!(path.ends_with(file)),
            OpenError::Foreign if !is_link => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(bytes(&target), b"precious");
    }
}

#[test]
fn a_folder_where_nothing_can_be_written_is_refused() {
    if nix::unistd::Uid::effective().is_root() {
        // Nothing is forbidden to the superuser.
        return;
    }
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o500)).unwrap();
    let refused = Folder::open(&place.data()).unwrap_err();
    assert!(matches!(refused, OpenError::Denied), "{refused:?}");
    let refused = Folder::open(Path::new("/")).unwrap_err();
    assert!(matches!(refused, OpenError::Owner(0)), "{refused:?}");
}
