import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { startCloud } from "../../helpers/cloud.js";
import { runCli } from "../../helpers/run-cli.js";
import { smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { pngBytes } from "../../helpers/write-png.js";

test.serial(
	"psgl infer keeps what it released: the same picture again costs nothing, and a budget holds over runs",
	async (t) => {
		const folder = await temporaryFolder(t);
		const { joint } = await smallModel("shield");
		await using cloud = await startCloud(joint, { rounds: 0 });
		const picture = join(folder, "picture.png");
		const other = join(folder, "other.png");
		await writeFile(
			picture,
			pngBytes(
				8,
				8,
				1,
				Uint8Array.from({ length: 64 }, (_, i) => (i * 7) % 256),
			),
		);
		await writeFile(
			other,
			pngBytes(
				8,
				8,
				1,
				Uint8Array.from({ length: 64 }, (_, i) => (i * 11) % 256),
			),
		);
		const infer = async (input: string, ...more: string[]) => {
			const run = await runCli(["infer", "--json", "--url", cloud.url, "--input", input, ...more]);
			return { ...run, result: run.events.at(-1) };
		};
		const state = join(folder, "state");
		t.like((await infer(picture, "--state", state)).result, { source: "aggregator", bitsReleased: 4 });
		t.like((await infer(picture, "--state", state)).result, { source: "aggregator", bitsReleased: 4 });
		t.like((await infer(picture, "--state", state, "--budget-bits", "3")).result, {
			source: "aggregator",
			bitsReleased: 4,
		});
		t.like((await infer(other, "--state", state)).result, {
			source: "local-head",
			withheld: "PSGL_DISCLOSURE_BUDGET",
			bitsReleased: 4,
		});
		const without = await infer(picture);
		t.like(without.result, { type: "error", code: "PSGL_LEDGER_VOLATILE" });
		await cloud[Symbol.asyncDispose]();
		const alone = await infer(picture, "--state", state, "--timeout", "0.5");
		t.like(alone.result, { source: "local-head", bitsReleased: 4 }, alone.stderr);
	},
);
