"""Defects of the media: what is removed, what stays, and what a file may do."""

from tests.faults.mutants.mutant import mutant

_SWEEP = "functions/media/sweep.py"
_SWEEPS = "tests/functions/media/test_sweep.py"

MEDIA = (
    mutant(
        "a sweep that removes young objects",
        "only objects older than a day are swept",
        (_SWEEP, "if each.created_at <= now - YOUNG}", "}"),
        by="tests/functions/media/test_sweep.py::test_beside_an_old_object_a_young_one_stays",
    ),
    mutant(
        "a sweep that does not ask scripts",
        "only objects that nothing names are swept",
        (
            _SWEEP,
            '"lines": (_by_owners_jobs, _by_deletions, _by_scripts),',
            '"lines": (_by_owners_jobs, _by_deletions),',
        ),
        by="tests/functions/media/test_sweep.py::test_lines_that_a_script_of_their_owner_names_stay",
    ),
    mutant(
        "a sweep that removes what was written anew",
        "only the object that was looked at is swept",
        (_SWEEP, "if_generation_match=found.generation, timeout=", "timeout="),
        by="tests/functions/media/test_sweep.py::test_only_the_object_as_it_was_listed_is_removed",
    ),
    mutant(
        "a sweep that removes nothing",
        "objects that nothing names are swept",
        (_SWEEP, "for name in ours if name not in named)", "for name in ours if name not in named and False)"),
        by="tests/functions/media/test_sweep.py::test_what_no_document_names_is_removed_after_a_day",
    ),
    mutant(
        "media that is removed under a running render",
        "an unfinished job's media stays",
        (
            "functions/media/removal.py",
            "waiting = needed_by_jobs(db, [name for name in deletion.object_names if not is_rendered(name)])",
            "waiting: dict[str, str] = {}",
        ),
        by="tests/functions/media/test_removal.py::test_media_of_another_users_running_video_waits_until_it_ends",
    ),
    mutant(
        "an upload that overwrites",
        "an object is never overwritten",
        (
            "gpu_runner/media_store.py",
            "content_type=content_type, if_generation_match=0, ",
            "content_type=content_type, ",
        ),
        by="tests/gpu_runner/test_media_store.py::test_an_object_that_is_there_already_is_kept",
    ),
    mutant(
        "a picture of any size is unpacked",
        "decompression bombs are refused",
        (
            "functions/characters/picture.py",
            "Image.MAX_IMAGE_PIXELS = MAX_PICTURE_PIXELS",
            "Image.MAX_IMAGE_PIXELS = None",
        ),
        by="tests/attacks/test_uploads.py::test_every_hostile_picture_is_refused_by_name",
    ),
    mutant(
        "a file's content decides what reads it",
        "a playlist that is called .wav leads nowhere",
        (
            "gpu_runner/soundtrack.py",
            '*PROTOCOLS, "-format_whitelist", "wav", "-f", "wav"),',
            # Without the last two FFmpeg itself refuses what calls itself .wav and is none, in its later versions.
            '*PROTOCOLS, "-allowed_extensions", "ALL", "-extension_picky", "0"),',
        ),
        by="tests/attacks/test_runner_media.py::test_a_file_that_names_other_files_leads_nowhere",
    ),
)
