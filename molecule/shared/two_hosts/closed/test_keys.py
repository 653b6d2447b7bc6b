"""Each host has the secrets that it needs, and no others."""

from testinfra.host import Host

SECRETS = "/etc/sisock/secrets"
READERS = {
    "wamp_server": "sisock-server",
    "db_scanner": "sisock-scanner",
    "db_reader": "sisock-reader",
    "tunnel_ocs_telescope": "sisock-tunnel",
    "tunnel_database_telescope": "sisock-tunnel",
}


def test_the_far_host_has_what_its_programs_need(telescope: Host) -> None:
    """Neither the hub's account nor the bridge's, and each for one group alone."""
    assert set(telescope.file(SECRETS).listdir()) == set(READERS)
    for name, group in READERS.items():
        file = telescope.file(f"{SECRETS}/{name}")
        assert (file.user, file.group, oct(file.mode)) == ("root", group, "0o640")


def test_a_copy_is_the_original(observatory: Host, telescope: Host) -> None:
    """By their digests."""
    for name in READERS:
        path = f"{SECRETS}/{name}"
        assert observatory.file(path).sha256sum == telescope.file(path).sha256sum, name


def test_no_secret_is_in_a_file_log_or_command_line_that_others_read(observatory: Host, telescope: Host) -> None:
    """On neither host."""
    patterns = f"for secret in {SECRETS}/*; do sed s/.*:// $secret; echo; done | grep ."
    for host in (observatory, telescope):
        readable = (
            "setpriv --reuid=nobody --regid=nogroup --clear-groups"
            " find /etc /opt /var /tmp /home /run -xdev -type f -size -20M -readable -print0 2>/dev/null"
        )
        held = f"{readable} | xargs -0 grep --files-with-matches --fixed-strings --file=<({patterns})"
        assert host.run(f"bash -c '{held}'").stdout == ""
        shown = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; journalctl --no-pager; cat /var/log/sisock/*.log"
        counted = f"( {shown} ) 2>/dev/null | grep --text --count --fixed-strings --file=<({patterns})"
        assert host.run(f"bash -c '{counted}'").stdout.strip() == "0"
