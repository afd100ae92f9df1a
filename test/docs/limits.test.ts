import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cloudLimits, outlierLimits, rolloutLimits, smashedGuardLimits } from "@psgl/cloud";
import { minimumSamplesPerDevice, scenarioLimits } from "@psgl/firmware-sim";
import { auditLimits, onnxLimits } from "@psgl/models";
import { activationLimits, figureLimits, scrutinyLimits, spareLimits } from "@psgl/sdk";
import { maxArtifactBytes } from "@psgl/sdk/artifact";
import { budgetLimits } from "@psgl/sdk/budget";
import { ledgerLimits } from "@psgl/sdk/ledger";
import { protocolLimits } from "@psgl/sdk/protocol";
import { defaultMaxExpandedBytes, heldOutCap, heldOutFraction, imageLimits } from "@psgl/sdk/sources";
import { dicomLimits, receiverLimits } from "@psgl/sdk/sources/dicom";
import { liveLimits } from "@psgl/sdk/sources/live";
import { signalLimits } from "@psgl/sdk/sources/signals";
import { outboxLimits, slotLimits } from "@psgl/sdk/store";
import { trustLimits } from "@psgl/sdk/trust";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";

const limits = {
	"wire protocol": protocolLimits,
	"broker and aggregator": cloudLimits,
	"ONNX files": onnxLimits,
	audit: auditLimits,
	outbox: outboxLimits,
	"new models": slotLimits,
	"resource budget": budgetLimits,
	"staged roll-out": rolloutLimits,
	"outlier guard": outlierLimits,
	"guard on smashed data": smashedGuardLimits,
	activations: activationLimits,
	"spare memory": spareLimits,
	"gradients on a device": scrutinyLimits,
	"figures of a device that keeps its labels": figureLimits,
	"signed models": trustLimits,
	"picture files": imageLimits,
	"DICOM files": dicomLimits,
	"disclosure ledger": ledgerLimits,
	"DICOM receiver": receiverLimits,
	scenarios: scenarioLimits,
	recordings: signalLimits,
	"live sources": liveLimits,
	files: { maxArtifactBytes, defaultMaxExpandedBytes, heldOutCap, heldOutFraction, minimumSamplesPerDevice },
};

for (const [group, values] of Object.entries(limits)) {
	test(`docs/limits.md has the limits of the ${group} as they are`, async (t) => {
		const text = await readFile(join(projectFolder, "docs/limits.md"), "utf8");
		for (const [name, value] of Object.entries(values)) {
			t.true(text.includes(`| \`${name}\` | ${value.toLocaleString("en-US")} |`), `${name} is ${value}`);
		}
	});
}

test("a test names every limit of docs/limits.md: the one that hits it", async (t) => {
	const text = await readFile(join(projectFolder, "docs/limits.md"), "utf8");
	const tables = text.split(/\n(?=\| (?:limit|setting) \|)/).filter((table) => table.startsWith("| limit"));
	const names = tables.flatMap((table) => [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name as string));
	t.true(names.length > 150);
	const folder = join(projectFolder, "test");
	const files = await readdir(folder, { recursive: true });
	const others = files.filter((file) => file.endsWith(".ts") && !file.endsWith(join("docs", "limits.test.ts")));
	const tests = (await Promise.all(others.map((file) => readFile(join(folder, file), "utf8")))).join("\n");
	const named = new Set(tests.match(/\w+/g));
	t.deepEqual(
		names.filter((name) => !named.has(name)),
		[],
	);
});
