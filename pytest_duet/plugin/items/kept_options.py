"""Options that stay with the session they were given to: a worker's session has its own.

They choose tests, run several at once, write files or show something. All others are the test's affair and go along to
its workers, a user's own first of all.
"""

from __future__ import annotations

PREFIXES = ("cov", "duet_")  # pytest-cov's, and this plugin's own
NAMES = """
assertmode basetemp cacheclear cacheshow capture code_highlight collect_in_virtualenv collectonly color confcutdir
continue_on_collection_errors debug deselect disable_plugin_autoload disable_warnings dist distload doctestmodules
durations durations_min failedfirst file_or_dir fold_skipped force_short_summary help htmlpath ignore ignore_glob
importmode inifilename json_report json_report_file junitprefix keepduplicates keyword last_failed_no_failures lf
loadscopereorder log_file looponfail markers markexpr max_warnings maxfail maxprocesses maxschedchunk maxworkerrestart
newfirst no_cov no_header no_summary noconftest numprocesses override_ini pastebin plugins px pyargs pythonwarnings
quiet randomly_seed report_log reportchars reruns rootdir rsyncdir rsyncignore setuponly setupplan setupshow
show_fixtures_per_test showcapture showfixtures stepwise stepwise_reset stepwise_skip strict strict_config
strict_markers testrunuid timeout trace traceconfig tx usepdb usepdb_cls verbose version xmlpath
benchmark_autosave benchmark_columns benchmark_compare benchmark_compare_fail benchmark_cprofile
benchmark_cprofile_dump benchmark_disable benchmark_enable benchmark_histogram benchmark_json benchmark_only
benchmark_quiet benchmark_save benchmark_save_data benchmark_skip benchmark_storage benchmark_verbose
"""


def stays(name: str) -> bool:
    """Tell so of the option that argparse keeps under this name."""
    return name in NAMES.split() or name.startswith(PREFIXES)
