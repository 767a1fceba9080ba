from ratoon.tasks.text import encodable, is_encodable, utf8


def test_lone_surrogates_are_replaced_and_nothing_else():
    assert encodable("a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert utf8("x\udc80") == b"x\xef\xbf\xbd"
    assert utf8("Grüße 好评 👍") == "Grüße 好评 👍".encode()
    assert is_encodable("Grüße 👍") and is_encodable("") and not is_encodable("\ud83d")
