import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { startBroker } from "@psgl/cloud";
import test from "ava";
import { type CliResult, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

interface Check {
	readonly name: string;
	readonly status: string;
	readonly found: string;
}

function check(result: CliResult, name: string): Check | undefined {
	const checks = (result.events.at(-1)?.checks ?? []) as readonly Check[];
	return checks.find((c) => c.name === name);
}

test.serial("doctor finds this machine fit", async (t) => {
	const result = await runCli(["doctor", "--json", "--port", "0"], { cwd: await temporaryFolder(t) });
	t.is(result.exitCode, 0);
	t.like(result.events.at(-1), { type: "result", ok: true });
	t.regex(check(result, "ONNX Runtime")?.found ?? "", /^onnxruntime-node \d.*3 runs bit for bit the same$/);
	t.is(check(result, "telemetry")?.found, "off");
	t.is(check(result, "sharp")?.status, "ok");
});

test.serial(
	"doctor tells what a device needs: glibc, clock, providers, how fast the disk syncs and a step is",
	async (t) => {
		const folder = await temporaryFolder(t);
		const compiled = await runCli("compile --zoo lenet --input 1x28x28 --classes a,b -o m.psgl".split(" "), {
			cwd: folder,
		});
		t.is(compiled.exitCode, 0);
		const result = await runCli(["doctor", "--json", "--port", "0", "--artifact", "m.psgl"], { cwd: folder });
		t.is(check(result, "glibc")?.status, "ok");
		// A machine without a time service is warned.
		t.regex(check(result, "clock")?.status ?? "", /^(ok|warn)$/);
		t.regex(check(result, "execution providers")?.found ?? "", /CPUExecutionProvider/);
		t.regex(
			check(result, "privacy")?.found ?? "",
			/^robust: real numbers at the cut, sent every epoch, map 0\.1, robust/,
		);
		t.regex(check(result, "disk sync")?.found ?? "", /^\d+ ms for 4 KiB/);
		t.regex(check(result, "training step")?.found ?? "", /^\d+ ms for 16 samples of lenet$/);
		t.deepEqual((await readdir(folder)).sort(), ["m.psgl"], "nothing of it stays");
		await writeFile(join(folder, "broken.psgl"), "no model");
		const broken = await runCli(["doctor", "--json", "--port", "0", "--artifact", "broken.psgl"], { cwd: folder });
		t.is(broken.exitCode, 1);
		t.is(check(broken, "privacy")?.status, "fail");
		t.is(check(broken, "training step")?.status, "fail");
	},
);

test.serial("doctor leaves nothing behind, not even telemetry", async (t) => {
	const folder = await temporaryFolder(t);
	const home = join(folder, "home");
	await mkdir(home);
	await runCli(["doctor", "--port", "0"], { cwd: folder, env: { HOME: home, XDG_CACHE_HOME: join(home, "cache") } });
	t.deepEqual(await readdir(folder), ["home"]);
	t.deepEqual(await readdir(home), []);
});

test.serial("doctor fails when the port is in use", async (t) => {
	const server = createServer();
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	t.teardown(() => server.close());
	const { port } = server.address() as { port: number };
	const result = await runCli(["doctor", "--json", "--port", String(port)]);
	t.is(result.exitCode, 1);
	t.like(check(result, "broker port"), { status: "fail" });
	t.regex(check(result, "broker port")?.found ?? "", /EADDRINUSE/);
});

test.serial("doctor reaches a broker that runs, and says when none answers", async (t) => {
	const broker = await startBroker({ port: 0 });
	const reached = await runCli(["doctor", "--json", "--broker", broker.url]);
	t.is(reached.exitCode, 0);
	t.is(check(reached, "broker")?.found, `${broker.url} answers`);
	await broker.close();
	const missed = await runCli(["doctor", "--json", "--broker", broker.url]);
	t.is(missed.exitCode, 1);
	t.is(check(missed, "broker")?.status, "fail");
});

test.serial("doctor fails when the state folder cannot be made", async (t) => {
	const file = join(await temporaryFolder(t), "file");
	await writeFile(file, "");
	for (const state of [file, join(file, "below")]) {
		const result = await runCli(["doctor", "--json", "--port", "0", "--state", state]);
		t.is(result.exitCode, 1, state);
		t.is(check(result, "state folder")?.status, "fail");
	}
});
