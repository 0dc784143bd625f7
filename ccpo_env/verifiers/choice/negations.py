"""Words by which an answer is negated, doubted or taken back, in many languages.

Each constant is the source of a regular expression without groups, as in `words`.
"""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

from ccpo_env.verifiers.choice.words import any_of, words

CORRECTION = any_of(
    words(
        "wait; no; nope; actually; correction; scratch that; i mean; i meant; rather; sorry; oops",
        "hmm; hold on; on second thought; on reflection; let me correct; i was wrong; instead",
        "never mind; nevermind; forget it; strike that; i take that back; i take it back",
        "my mistake; revised; nein; moment; non; attends; espera; perdón; não; нет; стоп",
        "но нет; точнее; aslında; tunggu; khoan",
    ),
    "不对|不對|等等|更正|いや|待って|訂正|아니|잠깐|(?<!\\w)لا(?!\\w)|انتظر|नहीं|रुको",
)
"""Words that take back what was stated before."""
NOT = any_of(
    words(
        r"not; isn't; aren't; wasn't; cannot; can't; couldn't; wouldn't; shouldn't; don't",
        r"doesn't; didn't; won't; never; neither; nor; no; except; excluding; excludes?; excluded",
        r"exclude; other than; anything but; everything but; all but; nothing but not",
        r"rul(?:e|es|ed|ing) out",
        r"eliminat(?:e|es|ed|ing); reject(?:s|ed|ing)?; avoid(?:s|ed|ing)?; without; wrong",
        r"incorrect; false; instead of; rather than; unlike; far from; least; opposite of",
        r"besides; apart from; aside from; barring; minus; non(?!-); discard(?:s|ed|ing)?; hardly",
        r"anyone but; any but; invalid; impossible; unlikely; inaccurate; untrue; bar; worst",
        r"doubt; doubtful; nobody; disagree; deny; trap; distractor; decoy; less likely",
        r"mistake; error; refuse; tempting; unsure",
        r"uncertain; opposed to; in contrast to; different (?:from|than); differs? from; else than",
        r"nicht; kein; keine; keinesfalls; niemals; außer; falsch; falsche; weder; ohne; pas",
        r"ne; ni; sauf; excepté; jamais; fausse; faux; mauvaise; incorrecte; nunca; tampoco; menos",
        r"excepto; salvo; incorrecta; incorreta; falsa; errada; não; nao; nem; exceto; errata",
        r"sbagliata; mai; tranne; eccetto; né; niet; geen; behalve; fout; nie; oprócz; błędna",
        r"не; нет; кроме; ни; нельзя; неверный; неправильный; неверно; неправильно; исключая; ні",
        r"değil; değildir; olamaz; olmaz; yanlış; hariç; không; sai; trừ; bukan; tidak",
        r"kecuali; salah; inte; ej; ikke",
        r"ei; ne(?:m|ní)?; nu; incorect; δεν; όχι; εκτός; λάθος; nije; krome; hindi; si",
    ),
    "不|非|没|沒|除|否|未|别|莫|错|錯|误|誤|ない|なく|ません|除外|間違|아니|아닌|아닙|않|없"
    "|제외|틀린|틀렸|오답"
    "|ليس|ليست|غير|(?<!\\w)لا(?!\\w)|ما عدا|إلا|سوى|باستثناء|خاطئ|خطأ|नहीं|गलत|अलावा|ไม่|ผิด"
    "|ยกเว้น|לא|אינה|אינו|שגוי|নয়|না|ভুল|இல்லை|නොවේ|نیست|غلط|≠|¬|❌|✗|✘|✖",
)
"""Words that negate what follows, or say what an answer is not."""
YES_DOUBT = words(
    "no doubt; without a doubt; without doubt; no question; undoubtedly; not surprisingly",
    "beyond doubt",
    "not unlikely; not impossible; not implausible; not wrong",
    r"not (?:\S+ )?(?:sure|certain),? but; cannot deny; can't deny; not only; sans aucun doute",
    r"sin duda; sem dúvida; ohne zweifel",
    "нет сомнений",
    "not hard to see; not difficult to see; no other option; nothing else; no reason to doubt",
)
"""Phrases with a negation that do not negate."""
BELIEVE = words(
    "think; believe; say; agree; claim; true; case; mean; feel; suppose; accept; convinced",
    "sure; way; circumstances; means",
    "denke; glaube; crois; pense; creo; pienso; acho; acredito; credo; penso; думаю; считаю",
    "верно; правда",
)
"""Words whose negation negates the statement after them."""
