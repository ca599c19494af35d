"""What becomes of an uploaded recording, measured."""

from pathlib import Path

import numpy as np
import pytest

from characters.clip import container_of, make_clip
from characters.limits import RECORDING_FORMATS
from characters.refusals import UploadRefused
from tests.functions.characters import uploaded_files as files

SENTENCE = "Good morning, I would like to tell you something that nobody has told you before."


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("a.wav", (), id="WAV, 16 bit"),
        pytest.param("a.wav", ("-c:a", "pcm_s24le"), id="WAV, 24 bit"),
        pytest.param("a.wav", ("-c:a", "pcm_f32le"), id="WAV, float"),
        pytest.param("a.wav", ("-c:a", "pcm_u8"), id="WAV, 8 bit"),
        pytest.param("a.wav", ("-ac", "6", "-ar", "96000"), id="WAV, six channels at 96 kHz"),
        pytest.param("a.mp3", (), id="MP3 with tags"),
        pytest.param("a.mp3", ("-id3v2_version", "0", "-write_xing", "0"), id="MP3 without tags"),
        pytest.param("a.m4a", (), id="M4A, AAC"),
        pytest.param("a.m4a", ("-c:a", "alac"), id="M4A, ALAC"),
        pytest.param("a.m4a", ("-movflags", "faststart"), id="M4A, index in front"),
        pytest.param("a.m4a", ("-movflags", "frag_keyframe+empty_moov"), id="M4A in fragments, as browsers record"),
        pytest.param("a.flac", (), id="FLAC"),
        pytest.param("a.ogg", ("-c:a", "libvorbis"), id="OGG, Vorbis"),
        pytest.param("a.ogg", ("-c:a", "libopus"), id="OGG, Opus"),
        pytest.param("a.webm", (), id="WebM, Opus"),
    ],
)
def test_every_format_becomes_the_same_clip(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    spoken = files.spoken(tmp_path, SENTENCE)
    spoken_seconds = make_clip(spoken.read_bytes()).duration_seconds

    clip = make_clip(files.encoded(spoken, name, *options))

    samples = files.samples_of(clip.wav)
    assert samples.size / files.RATE_HZ == pytest.approx(clip.duration_seconds)
    assert clip.duration_seconds == pytest.approx(spoken_seconds, abs=0.1)
    assert np.abs(samples).max() > 0.1
    assert not clip.was_cut


def test_a_clip_sounds_like_its_recording() -> None:
    recording = files.voice(2.0)

    samples = files.samples_of(make_clip(files.wav(recording, channels=2)).wav)

    assert np.abs(samples - recording).max() < 0.002


def test_a_long_recording_is_cut_at_its_longest_pause() -> None:
    recording = files.wav(
        files.voice(7.0),
        files.silence(0.2),
        files.voice(1.8),
        files.silence(0.6),
        files.voice(1.0),
        files.silence(0.2),
        files.voice(9.0),
    )

    clip = make_clip(recording)

    samples = files.samples_of(clip.wav)
    assert clip.was_cut
    # Three tenths of the pause that begins at 9 s stay.
    assert clip.duration_seconds == pytest.approx(9.3, abs=0.03)
    assert np.abs(samples[-round(0.2 * files.RATE_HZ) :]).max() < 0.001
    assert np.abs(samples[-round(0.6 * files.RATE_HZ) : -round(0.4 * files.RATE_HZ)]).max() > 0.4


def test_the_last_of_equally_long_pauses_is_taken() -> None:
    recording = files.wav(files.voice(7.0), files.silence(0.4), files.voice(3.6), files.silence(0.4), files.voice(9.0))

    assert make_clip(recording).duration_seconds == pytest.approx(11.3, abs=0.03)


def test_a_pause_before_six_seconds_is_no_place_to_cut() -> None:
    clip = make_clip(files.wav(files.voice(3.0), files.silence(1.0), files.voice(20.0)))

    assert clip.duration_seconds == 12.0


def test_a_recording_without_a_pause_is_faded_out_at_twelve_seconds() -> None:
    clip = make_clip(files.wav(files.voice(30.0)))

    samples = files.samples_of(clip.wav)
    assert clip.was_cut
    assert clip.duration_seconds == 12.0
    assert abs(samples[-1]) < 0.001
    assert np.abs(samples[-2000:-1000]).max() > 0.4


def test_a_recording_of_twelve_seconds_stays_whole() -> None:
    clip = make_clip(files.wav(files.voice(12.0)))

    assert (clip.duration_seconds, clip.was_cut) == (12.0, False)


def test_silence_after_the_limit_costs_no_words() -> None:
    clip = make_clip(files.wav(files.voice(11.5), files.silence(1.0)))

    assert (clip.duration_seconds, clip.was_cut) == (12.0, False)


def test_a_pause_is_found_over_the_noise_of_a_room() -> None:
    noise = np.random.default_rng(1).normal(0, 0.005, round(18 * files.RATE_HZ)).astype(np.float32)
    speech = np.concatenate([files.voice(8.0, peak=0.4), files.silence(0.5), files.voice(9.5, peak=0.4)])

    assert make_clip(files.wav(speech + noise)).duration_seconds == pytest.approx(8.3, abs=0.05)


def with_sample(value: float) -> bytes:
    """A voice in floats, one of which is this."""
    samples = files.voice(2.0).astype(np.float64)
    samples[30_000] = value
    return files.float_wav(samples)


def test_a_voice_above_a_constant_level_is_taken() -> None:
    content = files.float_wav(files.voice(2.0, peak=0.3).astype(np.float64) + 0.2)

    assert make_clip(content).duration_seconds == 2.0


WHOLE = files.wav(files.voice(3.0))


@pytest.mark.attacks
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(files.with_header(WHOLE, 40, "<I", 0xFFFFFFFF), id="more data than there are"),
        pytest.param(files.with_header(WHOLE, 40, "<I", 0), id="no data"),
        pytest.param(files.with_header(WHOLE, 4, "<I", 0xFFFFFFFF), id="a longer file"),
        pytest.param(files.with_header(WHOLE, 28, "<I", 1), id="another byte rate"),
    ],
)
def test_the_length_in_a_header_is_not_believed(content: bytes) -> None:
    assert make_clip(content).duration_seconds == pytest.approx(3.0, abs=0.01)


def test_a_file_that_breaks_off_keeps_what_was_decoded(tmp_path: Path) -> None:
    content = files.encoded(files.spoken(tmp_path, SENTENCE), "a.flac")

    clip = make_clip(content[: len(content) * 2 // 3])

    assert 1.0 < clip.duration_seconds < make_clip(content).duration_seconds


@pytest.mark.attacks
def test_no_more_than_the_start_of_a_long_recording_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded_seconds = []
    decode_start = make_clip.__globals__["decode_start"]

    def measured(content: bytes) -> tuple[np.ndarray, bool]:
        samples, has_ended = decode_start(content)
        decoded_seconds.append(samples.size / files.RATE_HZ)
        return samples, has_ended

    monkeypatch.setitem(make_clip.__globals__, "decode_start", measured)

    make_clip(files.wav(files.voice(300.0)))

    assert decoded_seconds == [13.0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", f"none of {RECORDING_FORMATS}", id="nothing"),
        pytest.param(b"not a sound at all\n" * 100, f"none of {RECORDING_FORMATS}", id="text"),
        pytest.param(b"#EXTM3U\n#EXTINF:10,\nother.wav\n", f"none of {RECORDING_FORMATS}", id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile other.wav\n", f"none of {RECORDING_FORMATS}", id="list of files"),
        pytest.param(b"RIFF\x00\x00\x00\x00AVI LIST", f"none of {RECORDING_FORMATS}", id="AVI"),
        pytest.param(b"ID3\x04" + b"not a sound at all\n" * 5000, "cannot be decoded", id="text with an MP3 tag"),
        pytest.param(b"RIFF\x00\x00\x00\x00WAVE#EXTM3U\nother.wav\n", "cannot be decoded", id="playlist in a WAV"),
        pytest.param(b"OggS" + bytes(4000), "cannot be decoded", id="OGG of zeros"),
        pytest.param(files.with_header(WHOLE, 24, "<I", 0), "cannot be decoded", id="rate of 0"),
        pytest.param(files.with_header(WHOLE, 24, "<I", 100), "at 100 Hz", id="rate of 100"),
        pytest.param(files.with_header(WHOLE, 22, "<H", 255), "255 channels", id="255 channels"),
        pytest.param(files.with_header(WHOLE, 20, "<H", 0x0161), "no sound track", id="a decoder that we do not take"),
        pytest.param(files.with_header(WHOLE, 20, "<H", 0x7777), "no sound track", id="a codec that nobody knows"),
        pytest.param(files.wav(files.voice(0.9)), "lasts 0.9 s; at least 1 s", id="too short"),
        pytest.param(files.wav(files.silence(5.0)), "is silent: it stays under -40 dBFS", id="silence"),
        pytest.param(files.wav(files.silence(20.0)), "is silent: its first 12 s stay under", id="long silence"),
        pytest.param(files.float_wav(np.full(48_000, 0.5)), "is silent", id="a constant level"),
        pytest.param(files.float_wav(np.full(480_000, -1.0)), "is silent", id="a constant level that is cut"),
        pytest.param(files.float_wav(np.full(88_200, 0.9), rate_hz=44_100), "is silent", id="a constant level at 44.1"),
        pytest.param(with_sample(np.nan), "not finite", id="not a number"),
        pytest.param(with_sample(np.inf), "not finite", id="infinity"),
        pytest.param(with_sample(-np.inf), "not finite", id="minus infinity"),
        pytest.param(files.wav(files.voice(5.0, peak=0.005)), "is silent", id="nearly silence"),
        pytest.param(files.wav(files.silence(13.0), files.voice(5.0)), "is silent", id="sound only after the limit"),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason):
        make_clip(content)


def test_a_picture_in_a_film_is_no_recording(tmp_path: Path) -> None:
    argv = ("-f", "lavfi", "-i", "color=size=64x64:duration=2", "-map", "1:v", "-c:v", "libx264")
    film = files.encoded(files.spoken(tmp_path, SENTENCE), "a.mp4", *argv)

    with pytest.raises(UploadRefused, match="no sound track"):
        make_clip(film)


def test_the_sound_of_a_film_is_a_recording(tmp_path: Path) -> None:
    spoken = files.spoken(tmp_path, SENTENCE)
    video = ("-f", "lavfi", "-i", "color=size=64x64:duration=2", "-map", "0:a", "-map", "1:v")

    clip = make_clip(files.encoded(spoken, "a.webm", *video))

    assert clip.duration_seconds == pytest.approx(make_clip(spoken.read_bytes()).duration_seconds, abs=0.1)


@pytest.mark.parametrize(
    ("start", "container"),
    [
        (b"RIFF....WAVE", "wav"),
        (b"RIFF....AVI ", None),
        (b"....WAVEWAVE", None),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"....ftypM4A ", "mov"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (b"ID3", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf3\x90", "mp3"),
        # An AAC stream without a container has the same first bits, and layer 0.
        (b"\xff\xf1\x50", None),
        (b"#EXTM3U", None),
        (b"", None),
    ],
)
def test_a_container_is_told_by_its_first_bytes(start: bytes, container: str | None) -> None:
    assert container_of(start) == container
