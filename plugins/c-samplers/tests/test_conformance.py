"""Every component of the plugin passes the suite of its kind."""

from typing import ClassVar

from seqforge_c_samplers.checked import Balanced, Scoped

from seqforge.testing.sampler_suite import SamplerSuite


class TestSampler(SamplerSuite):
    samplers: ClassVar = {"balanced": Balanced, "scoped": Scoped}
    prompts: ClassVar = ("a", "f(a[", "\n#if 1\n{", "{(", '"\\', "")
