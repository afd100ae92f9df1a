import test from "ava";

const module = new URL("../../../../cloud/dist/cli/doctor/device-checks.js", import.meta.url);
interface Check {
	readonly status: string;
	readonly found: string;
	readonly remedy?: string;
}
const { checkClock } = (await import(module.href)) as {
	readonly checkClock: (now: number, evidence: { madeAt?: number; kept: boolean | undefined }) => Check;
};

const now = Date.UTC(2026, 5, 1);
const day = 24 * 3600 * 1000;

test("a clock before the program, or before the device's own certificate, was never set", (t) => {
	const unset = checkClock(0, { kept: undefined });
	t.is(unset.status, "fail");
	t.regex(unset.found, /^1970-.*before psgl was made$/);
	t.truthy(unset.remedy);
	t.is(checkClock(now, { madeAt: now - day, kept: true }).status, "ok");
	const behind = checkClock(now - 2 * day, { madeAt: now - day, kept: true });
	t.is(behind.status, "fail");
	t.regex(behind.found, /before the certificate was made$/);
});

test("a clock that no time service keeps is a warning; where nobody says, it is as it is", (t) => {
	const drifting = checkClock(now, { kept: false });
	t.is(drifting.status, "warn");
	t.regex(drifting.remedy ?? "", /timedatectl/);
	t.is(checkClock(now, { kept: true }).status, "ok");
	t.regex(checkClock(now, { kept: undefined }).found, /not known$/);
});
