"""Words by which an answer is announced, joined with another or negated, in many languages.

Each constant is the source of a regular expression without groups. Words of scripts with spaces
are matched as whole words (`words`), the others anywhere.
"""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

ALPHABETIC = "A-Za-z0-9\u00c0-\u024f\u0370-\u03ff\u0400-\u052f\u1e00-\u1eff"
"""Characters of scripts in which spaces separate words, as a class without brackets."""


def words(*texts: str) -> str:
    """Return an expression for any of some words or patterns, as whole words, spaces flexible."""
    found = "|".join(text.replace(" ", r"\s+") for row in texts for text in row.split("; "))
    return rf"(?<![{ALPHABETIC}])(?:{found})(?![{ALPHABETIC}])"


def any_of(*expressions: str) -> str:
    """Return an expression for any of some others."""
    return f"(?:{'|'.join(expressions)})"


LOOK_ALIKES = {
    **dict(zip("АВЕКМНОРСТХавесорх", "ABEKMHOPCTXabecopx", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)),
}
"""Letters of other scripts that are written like a Latin one."""
SERIES = (
    "أبجده",
    "ابجدہ",
    "אבגדה",
    "कखगघङ",
    "কখগঘঙ",
    "กขคงจ",
    "アイウエオ",
    "甲乙丙丁戊",
    "가나다라마",
    "ㄱㄴㄷㄹㅁ",
)
"""Letters by which options are numbered in other scripts, in order."""
IN_ORDER = {
    "Γ": "C",
    "Δ": "D",
    **{own: latin for series in SERIES for own, latin in zip(series, "ABCDE", strict=True)},
}
LATIN = {**LOOK_ALIKES, **IN_ORDER}
"""The Latin letters that letters of other scripts stand for."""


def letter_of(own: str) -> str:
    """Return the capital Latin letter that a letter of any script stands for."""
    return LATIN.get(own, own).upper()


ANSWER = any_of(
    words(
        "answers?; ans; sol; final; choice; option; selection; pick; solution; response; guess",
        "conclusion",
        "verdict; prediction; vote; diagnosis; result; correct; correct_answer; final_answer",
        "answer_idx; answerkey; answer_key; predicted; output; label; class; key; decision; letter",
        r"(?:best|correct|appropriate|likely|next|initial|first) (?:[a-z]+ ){0,2}[a-z]+"
        r"(?=[*_]*\s?:)",
        "antwort; lösung; lösungsbuchstabe; auswahl; wahl; antwortmöglichkeit",
        "réponse; reponse; choix; proposition; respuesta; opción; opcion; alternativa; solución",
        "resposta; opção; opcao; gabarito; escolha; risposta; opzione; scelta; soluzione",
        "antwoord; optie; keuze; odpowiedź; odpowiedzią; opcja; wybór; odpověď; možnost",
        "svar; svaret; svarsalternativ; alternativet; vastaus; vaihtoehto; válasz; megoldás",
        "răspuns; răspunsul; raspunsul; varianta; varianta corectă; cevap; cevabı; yanıt",
        "yanıtı; seçenek; şık; jawaban; jawabannya; jawapan; pilihan; jibu; sagot; đáp án",
        "câu trả lời; lựa chọn; phương án; ответ; ответом; вариант; вариантом; выбор",
        "відповідь; варіант; отговор; одговор; απάντηση; επιλογή; odgovor; vastus; atsakymas",
        "atbilde; erantzuna; resposta correcta; respon; atbild",
    ),
    "诊断|診断|治疗|处理|措施|药物|疾病|答案|答え|答|选项|選項|正解|解答|回答|選択肢|应选|應選|故选|故選|정답|답변|답|선택지?"
    "|الإجابة|الاجابة|إجابة|اجابة|إجابتي|الجواب|جواب|الخيار|خيار|الاختيار|پاسخ|گزینه|درست"
    "|תשובה|אפשרות|उत्तर|जवाब|विकल्प|उत्तर|উত্তর|বিকল্প|பதில்|விடை|సమాధానం|ਜਵਾਬ|ઉત્તર|ಉತ್ತರ|ഉത്തരം"
    "|คำตอบ|ตัวเลือก|ตอบ|ຄຳຕອບ|ចម្លើយ|အဖြေ|პასუხი|պատասխան|መልስ",
)
"""Nouns after which an answer is stated."""
COPULA = any_of(
    words(
        "is; are; was; were; be; being; becomes; equals; remains; as; with; would; should",
        "ist; lautet; wäre; heißt; sei; est; serait; es; sería; seria; é; è; e'; sarebbe; is",
        "to; jest; je; је; är; er; on; este; adalah; ialah; yaitu; là; ni; ay; то; это; є; е",
        "είναι",
        "da; izan; является; este varianta; dır; dir; olarak; tá",
    ),
    r"[:=→⇒>\]]|->|—|–|\s-\s|是|为|為|选|選|は|が|은|는|이|가|هو|هي|है|הוא|היא|คือ|হল|হলো|হচ্ছে"
    r"|است|:",
)
"""Words and signs between such a noun and the answer."""
CHOOSE = any_of(
    words(
        r"(?:i|we)(?:'?d| would| will|'ll| have to| must| am going to| should| can)?"
        r"(?: therefore| thus| then| now| also| still| probably| most likely)?"
        r" (?:choose|chose|go for|went for|pick|picked|select|selected|go with|went with|opt for|"
        r"opted for|say|vote(?: for)?|"
        r"settle on|settle for|answer(?: with)?|get|obtain|conclude|guess|bet on|lean towards?|"
        r"choose to go with|"
        r"think|reckon|believe|suggest|recommend|mark|circle)"
        r"(?: that)?(?: it's| it is| it)?(?: is)?",
        r"(?:i'm|i am|we're|we are) (?:going|sticking|leaning|staying)(?: to go)?"
        r" (?:with|for|towards?|to say)",
        r"if i (?:had|have) to (?:guess|choose|pick)(?: one)?; (?:which|that) makes it",
        r"(?:the|one|option|choice|answer|statement|diagnosis|cause|step|drug)(?: that| which)"
        r" [^.\n]{1,40}? is",
        r"(?:step|management|approach|action|thing)(?: [a-z ]{1,30}?)? (?:is|would be) to",
        r"(?:not (?:\S+ )?)?(?:sure|certain),? but; what [^.,\n]{1,40} is; leaning(?: towards?)?",
        r"money is on",
        r"let's (?:go with|choose|pick|say|select)",
        r"choose; pick; select; mark; circle; tick; go with; going with; opt for; selecting",
        r"should (?:do|choose|pick|select); choosing; picking; going for; have chosen",
        r"i've chosen; we've chosen",
        r"(?:it|this|that|which|answer)(?:'?s| is| must be| should be| has to be| would be"
        r"| would have to be)"
        r"(?: definitely| clearly| probably| most likely| likely| therefore| indeed| simply)?",
        r"(?:must|has to|have to|gotta|got to|should|would) be; looks like; looks like it's",
        r"(?:left with|leaves|leaving|down)(?: us| me| it)?(?: down)?(?: with| to| only| just)*",
        r"(?:leads?|leading|points?|pointing|brings|narrows|narrowed|boils|comes)"
        r"(?:(?: us| me| it)?(?: down)? to| us| me)(?: only| just)*",
        r"i\.e\.; corresponds? to; corresponding to; matches; match; matching; consistent with",
        r"the (?:best|correct|right|only|most likely|appropriate) (?:one|fit|match|statement)"
        r"(?: here)? (?:is|would be)",
        r"elijo; elegir[ií]?a?; escojo; elige; escolho; eu escolheria; je choisis; je choisirais",
        r"je dirais; entscheide mich für; tippe auf; ich wähle; wähle; richtig ist; korrekt ist",
        r"ich würde; ich nehme",
        r"scelgo; sceglierei; kies; ik kies",
        r"wybieram; выбираю; выберу; выбираем; я выбираю; обираю; vybírám; jag väljer; jeg velger",
        r"valitsen; választom; aleg; seçiyorum; saya memilih; saya pilih; tôi chọn; chọn; ostaje",
        r"επιλέγω; marco; marque",
    ),
    "的是|应该是|應該是|应选择?|所以选择?|因此选择?|故选择?|我选择?|我選擇?|选择?|選擇?|因此选"
    "|所以选|故选|应选|應選|أختار|اختر|चुनता हूँ|ฉันเลือก|เลือก",
)
"""Verbs after which an answer is stated."""
THEREFORE = any_of(
    words(
        "so; thus; hence; therefore; consequently; accordingly; thereby; in conclusion",
        "by elimination; by process of elimination; by the process of elimination; by exclusion",
        "yes",
        "alright; okay; ok; right; in summary; overall; finally; ultimately; to conclude",
        "definitely; def; prob; thinking; probably; clearly",
        "most likely; daher; deshalb; folglich; somit; donc; ainsi; par conséquent; por lo tanto",
        "por tanto; entonces; portanto; logo; assim; quindi; pertanto; perciò; dus; więc; zatem",
        "значит; следовательно; итак; поэтому; отже; tedy; takže; därför; derfor; siis; tehát",
        "deci; öyleyse; dolayısıyla; bu nedenle; jadi; maka; vậy; do đó; άρα; επομένως",
    ),
    "因此|所以|综上|故|则|よって|したがって|従って|ゆえに|따라서|그러므로|그래서|إذن|إذا|لذلك"
    "|अतः|इसलिए|ดังนั้น|לכן|∴|⇒|=>|→",
)
"""Words after which a lone letter is a conclusion."""
AND = any_of(
    words(
        "and; or; as well as; along with; together with; plus; and/or; but also; or else",
        "alternatively; nor",
        "to; through; thru; vs; versus; followed by; then; und; oder; et; ou; (?-i:[yeouia])",
        "ed; od",
        "en; of; oraz; lub; albo; nebo; (?-i:и); или; та; або; й; och; eller; og; ja; tai; és",
        "vagy; és; și; si; sau; ve; veya; ya da; dan; atau; dengan; và; hoặc; hay; και; ή; at; bis",
        "con; com; mit; avec; ili; na",
    ),
    r"→|->|=>|[,;&+/|、，；・·~]|[-–—]|和|与|與|及|或者?|跟|以及|还有|と|または|又は|もしくは"
    r"|か|および|및|또는|혹은|와|과|이나|하고"
    r"|و(?!\w)|أو|او|یا|और|या|एवं|তথা|এবং|বা|অথবা|และ|หรือ|או|ו(?!\w)|மற்றும்|\band\b",
)
"""What joins two answers."""
MAYBE = words(
    "else; maybe; possibly; perhaps; even; also; probably; either; both; likely; potentially",
    "the; option",
    "choice; letter; answer; peut-être; vielleicht; quizás; tal vez; talvez; auch; aussi; también",
)
"""Words that may stand between what joins two answers and the second one."""
LABEL = any_of(
    words(
        r"the; option; options; choice; choices; letter; letters; answers?; alternative",
        r"statement; number; item; also; too",
        r"most; likely; probably; clearly; definitely; certainly; therefore; thus; indeed",
        r"simply; just",
        r"undoubtedly; of course; I think; I believe; in my opinion; I would say",
        r"without a doubt; ist; somit; daher; est; donc",
        r"(?-i:[ao])(?=\s+[*_(\"']*[A-Z](?![A-Za-z])); является; actually; hence; then",
        r"obviously; both; either; one of; that; given by; labell?ed; listed; as; in",
        r"to be; be; is; it; it's; that's; that is; es; é; è; jest; är; er; this; going; only",
        r"still; surely; correct; right; best; final; following",
        r"answer choice; following option; still; really; hands down; represented by; found",
        r"under; namely; combination of; mix(?:ture)? of",
        r"antwort; buchstabe; die; der; das; option; variante; möglichkeit; la; le; l'; lettre",
        r"réponse; choix",
        r"proposition; el; los; letra; opción; respuesta; inciso; alternativa; a alternativa",
        r"a opção; a letra; o item; opção; item; lettera",
        r"opzione; risposta; il; de; het; letter; optie; antwoord; odpowiedź; litera; opcja",
        r"możnost",
        r"možnost; písmeno; alternativ; bokstav; vaihtoehto; kirjain; válasz; betű; varianta",
        r"litera; seçenek",
        r"şık; şıkkı; harf; pilihan; opsi; huruf; đáp án; phương án; lựa chọn; chữ; вариант",
        r"буква; под; буквой",
        r"ответ; пункт; варіант; літера; επιλογή; γράμμα; η; το; именно; номер; câu",
    ),
    "[ld]'|私は|私の|저는|صحیح|الصحيحة?|सही|সঠিক|ที่ถูกต้อง|ถูกต้อง|נכונה|正确|正しい|选项|選項"
    "|选择|選択肢|答案|第|字母|记号|記号|선택지|보기|번|الخيار|خيار|الحرف|حرف|رقم|الإجابة|विकल्प"
    "|अक्षर|উত্তর|বিকল্প|ตัวเลือก|ข้อ|אפשרות|אות|گزینه|是|为|為|は|项",
)
"""Words that may stand before the answer itself."""
BECAUSE = any_of(
    words(
        r"because; since; as; which; that; due; is; was; given; based; so; but; rather; not",
        r"instead",
        r"looks; seems; appears; must; should; wählen; nehmen; sagen; fits; works; matches",
        r"şıkkı(?:dır)?; seçeneği(?:dir)?; best fits; and not; richtig; korrekt; jest; correct",
        r"est; remains; makes",
        r"here; from; by; per; according; if; when; where; although; though; while; would; has",
        r"will",
        r"for sure; for; I think; I believe; definitely; obviously; though; it is; option",
        r"choice; among",
        r"weil; da; denn; parce; car; puisque; porque; ya que; pois; perché; poiché; omdat; want",
        r"ponieważ; bo; потому; так как; поскольку; тому; protože; eftersom; fordi; koska; mert",
        r"deoarece",
        r"çünkü; karena; sebab; vì; bởi vì; επειδή; διότι; as it; is the; est; es; ist; in; of",
        r"on; at; and the",
    ),
    "因为|因為|选项|です|だ|である|이다|입니다|なぜなら|왜냐하면|لأن|क्योंकि|เพราะ|כי|是|项|选",
)
"""Words that may follow an answer and do not belong to it."""
IS = words(
    r"is; are; was; were; seems?; looks?; appears?; would be; should be; must be; has to be",
    r"can be; will be",
    r"could be; might be; may be; being; remains?; becomes; provides?; represents?; describes?",
    r"makes?; fits?; matches; satisfies; wins",
    r"isn't; aren't; wasn't; cannot; can't; doesn't; does; do; has been; have been; works?; gets?",
    r"ist; sind; est; sont; es; son; é; são; è; sono; jest; je; är; er; este; adalah; là",
    r"это; є; είναι",
)
RIGHT = any_of(
    words(
        r"correct; right; true; accurate; valid; best; appropriate; answer; winner; wins; stronger",
        r"better; it(?: is)?(?=\s*(?:$|[.!\n]))",
        r"most likely; my choice; preferred; first-line; the way to go",
        r"fits?; works?; matches; most suitable; most accurate; makes (?:the most )?sense",
        r"suitable; my pick; consistent; my vote; what I choose; what I would choose",
        r"what I'd choose; supported; satisfies; the one; holds",
        r"remaining; remains; left",
        r"my final answer; ideal; richtig; korrekt; correcte; bonne; exacte; juste; correcta",
        r"correcto",
        r"correta; certa; corretta; giusta; juist; goed; poprawna; prawidłowa; верный; верно",
        r"верна; верен; правильный",
        r"правильно; правильна; правильна відповідь; správně; správná; rätt; riktig; oikea",
        r"oikein; helyes",
        r"corectă; corecta; doğru; doğrudur; benar; tepat; đúng; chính xác; σωστή; σωστό; tacan",
        r"točno",
        r"chosen; fitting; stimmt; richtige[nrs]?; korrekte; bonne réponse; правильным; верным",
        r"правильной; sahihi; sahih",
    ),
    "صحیح|選び|選択し|선택합|선택했|正确|正確|对的|最佳|最符合|合适|符合|正しい|正解|適切|정답"
    "|맞|옳|صحيح|الصحيح|सही|ถูก|נכונ|সঠিক|சரி|درست|✅|✓|✔|☑",
)
"""Words by which an answer before them is called right."""
