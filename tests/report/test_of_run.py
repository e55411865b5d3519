import shutil

from recprune.report.of_run import of_run


def test_a_page_is_written_once_and_again_when_the_proof_is_another(lists_run, tmp_path):
    out = shutil.copytree(lists_run / "out", tmp_path / "out")
    page = of_run(out, out / "small")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    page.write_text("kept", encoding="utf-8")
    assert of_run(out, out / "small").read_text(encoding="utf-8") == "kept"
    proof = out / "comparison.json"
    proof.write_text(proof.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert of_run(out, out / "small").read_text(encoding="utf-8").startswith("<!doctype html>")
