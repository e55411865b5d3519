from recprune.report.text import LONGEST, safe


def test_markup_becomes_text():
    assert safe("<img src=x onerror='a'>&\"") == "&lt;img src=x onerror=&#x27;a&#x27;&gt;&amp;&quot;"


def test_what_cannot_be_seen_is_shown_to_be_there():
    assert safe("a\x00\x1b[31m\u202eb\ud800") == "a\ufffd\ufffd[31m\ufffdb\ufffd"


def test_letters_of_all_scripts_and_joined_signs_stay():
    kept = "东京 é 👩\u200d👩 עברית"
    assert safe(kept) == kept


def test_a_very_long_id_is_cut_and_a_paragraph_is_not():
    assert safe("x" * (LONGEST + 50)) == "x" * LONGEST + "…"
    assert safe("x" * (LONGEST + 50), LONGEST * 2) == "x" * (LONGEST + 50)
