import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { OperationsLog } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { DataError } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../../helpers/cloud.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly by: string; readonly msg: string };

const linesOf = async (file: string) =>
	(await readFile(file, "utf8"))
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line) as Line);

test("a run is written down line by line, each with time, level and its event's fields; steps only at debug", async (t) => {
	const folder = await temporaryFolder(t);
	const { joint } = await smallModel();
	const onError = (error: unknown) => t.fail(String(error));
	const open = (level: "debug" | "info") => OperationsLog.open({ file: join(folder, `${level}.log`), level, onError });
	const logs = [open("debug"), open("info")] as const;
	await using cloud = await startCloud(
		joint,
		{ rounds: 2, batchSize: 6, minDevices: 2, seed: 1 },
		{
			onBrokerEvent: (event) => {
				for (const log of logs) log.broker(event);
			},
		},
	);
	const following = (async () => {
		for await (const event of cloud.aggregator.events()) {
			for (const log of logs) log.aggregator(event);
			if (event.type === "end") return;
		}
	})();
	const [train, validation] = [smallDataset(24), smallDataset(24, 2)];
	const data = { name: "small", synthetic: true, train, validation, test: smallDataset(2, 3) };
	for await (const _ of runFleet({ url: cloud.url, devices: 2, data, seed: 5, runtime: nodeRuntime }));
	await following;
	const damaged = new DataError("PSGL_CHECKPOINT_DAMAGED", { what: "the checkpoint is damaged" });
	for (const log of logs) {
		log.info("started", { version: 3 });
		log.error(damaged);
		await log[Symbol.asyncDispose]();
	}

	const [all, less] = await Promise.all(["debug.log", "info.log"].map((name) => linesOf(join(folder, name))));
	for (const line of all as Line[]) {
		t.regex(line.time as string, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
		t.true(["debug", "info", "warn", "error"].includes(line.level));
	}
	const rounds = (less as Line[]).filter(({ msg }) => msg === "round");
	t.deepEqual(
		rounds.map(({ by, level, round, steps }) => [by, level, round, steps]),
		[
			["aggregator", "info", 1, 4],
			["aggregator", "info", 2, 4],
		],
	);
	t.true((all as Line[]).filter(({ msg }) => msg === "step").length >= 4);
	t.true((all as Line[]).some(({ msg, by }) => msg === "connected" && by === "broker"));
	t.deepEqual(
		(less as Line[]).filter(({ level }) => level === "debug"),
		[],
	);
	t.like((less as Line[]).at(-2), { level: "info", by: "cloud", msg: "started", version: 3 });
	t.like((less as Line[]).at(-1), {
		level: "error",
		code: "PSGL_CHECKPOINT_DAMAGED",
		msg: "the checkpoint is damaged",
	});
});

test("a log is added to, and one that cannot be opened is a typed error", async (t) => {
	const file = join(await temporaryFolder(t), "psgl.log");
	for (const run of [1, 2]) {
		await using log = OperationsLog.open({ file, level: "info", onError: (error) => t.fail(String(error)) });
		log.info("started", { run });
	}
	t.deepEqual(
		(await linesOf(file)).map(({ run }) => run),
		[1, 2],
	);
	const nowhere = () => OperationsLog.open({ file: join(file, "x.log"), level: "info", onError: () => undefined });
	t.throws(nowhere, { code: "PSGL_OUTPUT_UNWRITABLE" });
});
