//! What to do when the kernel, the distribution or a container refuses the sandbox its namespaces.

use std::fs;

/// What this host would need so that an ordinary user may create the namespaces.
#[must_use]
pub(crate) fn namespaces() -> String {
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return "this system (Ubuntu 23.10 and later) lets only named programs create user namespaces; \
                allow this one with `sudo bailiwick doctor --print-apparmor-profile | sudo tee /etc/apparmor.d/bailiwick \
                && sudo apparmor_parser -r /etc/apparmor.d/bailiwick`, \
                or all programs with `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
            .into();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return "allow user namespaces with `sudo sysctl -w kernel.unprivileged_userns_clone=1`".into();
    }
    if setting("/proc/sys/user/max_user_namespaces") == Some(0) {
        return "allow user namespaces with `sudo sysctl -w user.max_user_namespaces=15000`".into();
    }
    if in_container() {
        return "start this container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined` \
                (Docker, Podman) so that a sandbox can be made in it"
            .into();
    }
    "build or boot a kernel with CONFIG_USER_NS and allow unprivileged user namespaces".into()
}

/// The profile that lets this program, at this path, create user namespaces under Ubuntu's AppArmor restriction.
#[must_use]
pub fn apparmor_profile(executable: &str) -> String {
    format!(
        "abi <abi/4.0>,\ninclude <tunables/global>\nprofile bailiwick \"{executable}\" flags=(unconfined) {{\n  userns,\n}}\n"
    )
}

fn setting(path: &str) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn in_container() -> bool {
    fs::exists("/.dockerenv").unwrap_or(false) || fs::exists("/run/.containerenv").unwrap_or(false)
}
