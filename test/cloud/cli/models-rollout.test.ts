import type { ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { verifyTrail } from "@psgl/cloud";
import { Device, type ModelReport } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { type CliEvent, type CliResult, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { clientDigest, triedModels } from "../../helpers/tried-models.js";

/** A `psgl cloud` that serves, until it is killed. */
interface Serving {
	readonly child: ChildProcess;
	readonly url: string;
	readonly ended: Promise<CliResult>;
}

async function serve(cwd: string, port: number): Promise<Serving> {
	let listening: (serving: { readonly event: CliEvent; readonly child: ChildProcess }) => void = () => undefined;
	const started = new Promise<{ readonly event: CliEvent; readonly child: ChildProcess }>((resolve) => {
		listening = resolve;
	});
	const ended = runCli(["cloud", "--json", "--artifact", "old.psgl", "--rounds", "0", "--port", `${port}`], {
		cwd,
		onEvent: (event, child) => {
			if (event.type === "listening") listening({ event, child });
		},
	});
	const { event, child } = await started;
	return { child, url: event.url as string, ended };
}

test("a roll-out by command: begun, refused where it makes no sense, over a kill of the cloud, and taken back", async (t) => {
	const cwd = await temporaryFolder(t);
	const models = await triedModels();
	await writeFile(join(cwd, "old.psgl"), models.stableBytes);
	await writeFile(join(cwd, "new.psgl"), models.goodBytes);
	const [old, candidate] = [await clientDigest(models.stable), await clientDigest(models.good)];
	const order = async (line: string) => {
		const { exitCode, events, stderr } = await runCli(["models", "rollout", "--json", ...line.split(" ")], { cwd });
		return { exitCode, stderr, ...events.at(-1) };
	};
	t.like(await order("--halt --rollback"), { exitCode: 2 });
	t.like(await order("--percentage 101"), { exitCode: 2 });

	// Left before there is a cloud: the next one takes it up.
	t.like(await order("--wait 0 --candidate new.psgl --percentage 100"), { exitCode: 0, taken: false });
	const first = await serve(cwd, 0);
	t.teardown(() => first.child.kill("SIGKILL"));
	const records: MemoryRecords = new Map();
	const reports: ModelReport[] = [];
	let wake: () => void = () => undefined;
	const device = await Device.connect({
		url: first.url,
		id: "ward-1",
		runtime: nodeRuntime,
		data: { train: models.data },
		store: memoryDeviceStore(records),
		onModel: (report) => {
			reports.push(report);
			wake();
		},
	});
	t.teardown(() => device.close());
	const has = async (digest: string) => {
		while (device.artifact !== digest) {
			await new Promise<void>((resolve) => {
				wake = resolve;
			});
		}
	};
	await device.ready();
	await has(candidate);
	first.child.kill("SIGKILL");
	await first.ended;

	const second = await serve(cwd, Number(new URL(first.url).port));
	t.teardown(() => second.child.kill("SIGKILL"));
	t.like(await order("--candidate new.psgl --percentage 5"), { exitCode: 2, code: "PSGL_ROLLOUT_UNDER_WAY" });
	t.like(await order("--candidate nowhere.psgl --percentage 5"), { exitCode: 2, code: "PSGL_ROLLOUT_READ" });
	t.like(await order("--wait 20"), { taken: true, phase: "running", percentage: 100, candidate });
	t.like(await order("--percentage 99"), { taken: true, phase: "running", percentage: 99, candidate });
	t.like(await order("--rollback"), { taken: true, phase: "rolled-back", automatic: false });
	await has(old);
	t.like(await order("--percentage 50"), { exitCode: 2, code: "PSGL_ROLLOUT_NONE" });
	second.child.kill("SIGINT");
	await second.ended;
	const trail = await readFile(join(cwd, "psgl-state", "trail.ndjson"), "utf8");
	for (const part of ['"phase":"running"', '"percentage":99', '"phase":"rolled-back"'])
		t.true(trail.includes(part), part);
	t.deepEqual((await verifyTrail(join(cwd, "psgl-state"))).faults, []);
});
