"""The probable encoding of bytes without a (true) label.

Each candidate's text is scored by how common its characters are. That needs little text: common characters of a
language make a few per cent of all that an encoding can write, so that a wrong candidate gives itself away within a
few words. It knows nothing of labels.
"""

import codecs
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

_LOOKED_AT = 8_192
_SCORED = 500
"""Characters above ASCII that are scored: more say nothing new."""
_DAMAGED = 0.002
"""Share of characters that may be damaged in a sample that is still believed."""
_BROKEN = 1
"""Characters that may be damaged in any sample; each speaks against its candidate."""
_MIN_SCORE = 0.3
"""Mean score of the characters above ASCII from which a candidate is believed."""
_HANS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如"
    "都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高"
    "间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水"
    "名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便"
    "空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让"
    "识候带导争运您请谢货买快服质店客退款送速收发卖价钱差评满订单"
)
_HANT = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如"
    "都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間"
    "由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名"
    "真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指許統區保至隊形社便空決"
    "您請謝貨買快服質店客退款送速收賣價錢差評滿訂單司品貴星五"
)
_KANA = "".join(chr(code) for code in (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC))
_JAPANESE = _KANA + (
    "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車何南万毎白"
    "天母火右読友左休父雨会社事自発者地業方新場員立開手力問代明動京目通言理体田主題意不作用度強公持野以思家世多正安院心界教文元重近考画海売知道集"
    "別物使品計死特私始朝運終台広住真有口少町料工建空急止送切転研足究楽起着店病質待試族銀早映親験英医仕去味写字答夜音注帰古歌買悪図週室歩風紙黒"
    "様見積請求送付確認願致申込注文返合定対部内務件連絡"
)
_HANGUL = (
    "이다는을가의에하고한를로은지기사대인그어들시도자아있리나과서수일보으라구것정제해장주어부전게원상여스조들성소유동안세만공중무마비모면우경개위진행"
    "화용니신재회적거선학내방물오된생문실오계했연요관산양영때분반차심치데었금국미발결음식통달드르트외교되단명더던말또저습합감음간없같건강권글까남너"
    "년녀노누님당두등따려력련료못받배번별본북불살새색생설속손송순술쉽시십씨않알야언업역열예완왔왜용운울월육율은음응임입잘잡점종좋준중즉직질집처첫청"
    "초최추출충취크큰태터토통특파편평포표품피필할함항향허현호혹환황후희힘안녕문의배송환불취소뭐네죠군요"
)
_CYRILLIC = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "оаинтевірслкдумзпяьгбчхйжшюцїєщфґ",
    "аиоентрсвлдкпмузябгчщъйжшцфхюь",
    "аоиенрјстуквдмлпзбгчцшжфхњљћђџ",
)
_GREEK = ("αοιετσνηυρπκμλςωδγχθφβξζψάέήίόύώϊϋΐΰ",)
_HEBREW = ("יוהלאתרמבשנםדעחקפכטצגזסןץךף",)
_ARABIC = ("اليمنوترةبعهدسفكحقأجشصىخطإذغضزثئءظآؤ،؟", "اینردمهتوبشسکزگخلپفقجعحآچصطغضظثذژئ،")
_THAI = ("".join(chr(code) for code in (*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F))),)
_VIETNAMESE = ("ăâđêôơưáàéèíìóòúù\u0300\u0301\u0303\u0309\u0323",)
_WESTERN = (
    "äöüß",
    "éèêàçâîôûùïëœÿ",
    "éóáíñúü",
    "ãçáéíóõêúâôà",
    "àèéìòùî",
    "éëïöüèç",
    "äöåé",
    "æøåé",
    "áðéíóúýþæö",
)
"""German, French, Spanish, Portuguese, Italian, Dutch, Swedish and Finnish, Danish and Norwegian, Icelandic."""
_CENTRAL = ("ąęłóżśćńź", "áéíýěščřžůúóťďň", "áéíýúčšžťľňôäóďŕĺ", "áéöőóüíúű", "ăîâşţ", "čšžćđ")
"""Polish, Czech, Slovak, Hungarian, Romanian, Croatian and Slovene."""
_TURKISH = ("ıişüğçöâî",)
_BALTIC = ("ėšąųžįčęū", "āēšīūļžčņķģ", "äõüöšž")
_MARKS = frozenset("„“”‚‘’–—…«»€§£·•、。，；：？！（）《》「」『』【】〜～・　×№©®™¿¡ºª°\u00a0\u00ad")
"""What stands between the words in any of these scripts."""


@dataclass(frozen=True)
class _Candidate:
    """An encoding, and how much each character of the languages that are written in it speaks for it, at most 1."""

    codec: str
    languages: tuple[Mapping[str, float], ...]
    usual: tuple[str, range] | None = None
    """Of encodings of two bytes: a stricter codec and its lead bytes for characters that are usual, if not common."""


def _one(codec: str, languages: tuple[str, ...]) -> _Candidate:
    """An encoding of one byte a character; the letters of a language stand in the order of their frequency."""
    return _Candidate(codec, tuple(map(_weights, languages)))


def _weights(letters: str) -> Mapping[str, float]:
    weights = {letter: 1.0 if at < 10 else 0.85 if at < 24 else 0.7 for at, letter in enumerate(letters)}
    capitals = {letter.upper(): weight for letter, weight in weights.items() if len(letter.upper()) == 1}
    return capitals | weights | ({"İ": 1.0} if "ı" in letters else {})


def _two(codec: str, characters: str, stricter: str, leads: range) -> _Candidate:
    return _Candidate(codec, (dict.fromkeys(characters, 1.0),), (stricter, leads))


_ASCII = frozenset(map(chr, range(128)))
_FIRST_NOT_LATIN = "\u0370"
_ALONE = 0.3
"""A letter that stands alone says little: it may be the sign © in another encoding."""
_MARK = 0.9
_WITHIN_WORDS = frozenset("’‘–—·\u00a0\u00ad")
_VOWELS_OF_THAI = 0.2
"""Minimum share of vowels and tones in a Thai text."""
_USUAL = 0.3
"""What speaks for windows-1252 beforehand, as much as one character in three."""
_OLD = frozenset({"cp850", "mac_roman", "mac_cyrillic", "iso8859_5"})
"""Encodings of systems that are rare by now."""
_RARE = 0.15
_CANDIDATES = (
    _one("cp1252", _WESTERN),
    _one("cp1251", _CYRILLIC),
    _two("gb18030", _HANS, "gb2312", range(0xB0, 0xD8)),
    _two("cp932", _JAPANESE, "euc_jp", range(0xB0, 0xD0)),
    _two("cp949", _HANGUL, "euc_kr", range(0xB0, 0xC9)),
    _two("cp950", _HANT, "big5", range(0xA4, 0xC7)),
    _two("euc_jp", _JAPANESE, "euc_jp", range(0xB0, 0xD0)),
    _one("cp1250", _CENTRAL),
    _one("cp1254", _TURKISH),
    _one("cp1253", _GREEK),
    _one("cp1255", _HEBREW),
    _one("cp1256", _ARABIC),
    _one("cp874", _THAI),
    _one("koi8_r", _CYRILLIC),
    _one("cp866", _CYRILLIC),
    _one("cp1257", _BALTIC),
    _one("iso8859_2", _CENTRAL),
    _one("iso8859_5", _CYRILLIC),
    _one("cp850", _WESTERN),
    _one("mac_roman", _WESTERN),
    _one("mac_cyrillic", _CYRILLIC),
    _one("cp1258", _VIETNAMESE),
)
_THAI_WEIGHTS = next(each.languages[0] for each in _CANDIDATES if each.codec == "cp874")
_BY_CODEC = {candidate.codec: candidate for candidate in _CANDIDATES}


def guess(data: bytes) -> str:
    """The codec that most probably wrote the bytes; empty when none is probable."""
    scored = list(_scores(_cut(data[: _LOOKED_AT * 8])))
    best = max(scored, key=lambda pair: pair[1], default=("", 0.0))
    return best[0] if best[1] >= _MIN_SCORE else ""


def plausible(text: str, codec: str) -> bool:
    """Whether a text decoded by a codec reads like one of the languages that are written in it."""
    candidate = _BY_CODEC.get(codec)
    return candidate is None or _score(text, candidate) >= 0


def _scores(sample: bytes) -> Iterator[tuple[str, float]]:
    for candidate in _CANDIDATES:
        text = _mostly(sample, candidate.codec)
        if text is not None:
            yield candidate.codec, _score(text, candidate)


def _mostly(sample: bytes, codec: str) -> str | None:
    """The text of a sample, which may end within a character and be a little damaged; None for another codec's."""
    text = codecs.getincrementaldecoder(codec)("replace").decode(sample)
    return text if text.count("\ufffd") <= max(_BROKEN, _DAMAGED * len(text)) else None


def _cut(data: bytes) -> bytes:
    """The lines of the bytes that hold something above ASCII, whole lines where there are any."""
    lines = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    taken: list[bytes] = []
    size = 0
    for line in lines:
        if size and size + len(line) > _LOOKED_AT:
            break
        taken.append(line)
        size += len(line)
    return b"".join(taken)


def _score(text: str, candidate: _Candidate) -> float:
    """The mean over the characters above ASCII (1: common, below 0: out of place), in the language that fits best."""
    places = [at for at, character in islice(_above_ascii(text), _SCORED)]
    if not places:
        return 0.0
    if candidate.usual is not None:
        return sum(_of_ideographs(text[at], candidate) for at in places) / len(places)
    letters = Counter[str]()
    total = 0.0
    for at in places:
        place = _of_place(text, at)
        total += place or 0.0
        letters[text[at]] += place is None
    if candidate.languages[0] is _THAI_WEIGHTS and _few_vowels(letters):
        return 0.0
    total += max(
        sum(count * weights.get(letter, _foreign(letter)) for letter, count in letters.items())
        for weights in candidate.languages
    )
    return total / len(places) + _beforehand(candidate, len(places))


def _few_vowels(letters: Counter[str]) -> bool:
    vowels = sum(count for letter, count in letters.items() if letter >= "\u0e30")
    return vowels < _VOWELS_OF_THAI * letters.total()


def _above_ascii(text: str) -> Iterator[tuple[int, str]]:
    return ((at, character) for at, character in enumerate(text) if character not in _ASCII)


def _beforehand(candidate: _Candidate, count: int) -> float:
    """What speaks for an encoding before its text is seen; the more text, the less it counts."""
    if candidate.codec in _OLD:
        return -_RARE
    return _USUAL * 3 / (count + 3) if candidate is _CANDIDATES[0] else 0.0


def _of_place(text: str, at: int) -> float | None:
    """What a character says by where it stands; None when its language says it."""
    character = text[at]
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if character in _MARKS:
        within = before.isalpha() and after.isalpha()
        return -1.0 if within and character not in _WITHIN_WORDS else _MARK
    if not character.isalpha():
        return None if unicodedata.category(character)[0] == "M" else -1.0
    if before.islower() and character.isupper():
        return -1.0
    if character.islower() and before.isupper() and text[max(0, at - 2) : at - 1].isupper():
        return -1.0
    if (
        not before.isalpha()
        and not after.isalpha()
        and (character >= _FIRST_NOT_LATIN or character.isupper())
    ):
        return _ALONE if unicodedata.category(after or " ")[0] != "M" else None
    return None if _fits_its_word(character, before, after) else -0.7


def _fits_its_word(character: str, before: str, after: str) -> bool:
    """Latin letters with accents occur next to plain ones; letters of other scripts never do."""
    letters = [each for each in (before, after) if each.isalpha()]
    plain = sum(each in _ASCII for each in letters)
    return not plain if character >= _FIRST_NOT_LATIN else plain > 0 or len(letters) < 2


def _foreign(character: str) -> float:
    """What a character says that the language does not write."""
    return -0.5 if character.isalpha() else -1.0


def _of_ideographs(character: str, candidate: _Candidate) -> float:
    if character in candidate.languages[0]:
        return 1.0
    if character in _MARKS or "\uff01" <= character <= "\uff5e":
        return 0.6
    codec, leads = candidate.usual or ("", range(0))
    try:
        written = character.encode(codec)
    except UnicodeEncodeError:
        return -0.5
    if len(written) > 1 and written[0] in leads:
        return 0.45
    return -0.3
