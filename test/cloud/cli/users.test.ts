import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { ApiClient } from "../../helpers/api-client.js";
import { goodPassword, tokenOf } from "../../helpers/operations-cloud.js";
import { type CliEvent, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

test("the first start prints one link; psgl users lets others in and out while the cloud runs", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = join(folder, "chest.psgl");
	await runCli(`compile --zoo lenet --input 1x28x28 --classes normal,opacity -o ${artifact}`.split(" "));
	const state = join(folder, "state");
	const args =
		`cloud --json --artifact ${artifact} --state ${state} --port 0 --rounds 0 --web-port 0 --log-file ${folder}/psgl.log`.split(
			" ",
		);
	/** Starts the cloud, does something with its page, and stops it. */
	const withCloud = async (visit: (url: string) => Promise<void>): Promise<readonly CliEvent[]> => {
		let visiting: Promise<void> | undefined;
		let url = "";
		const { exitCode, events, stderr } = await runCli(args, {
			onEvent: (event, child) => {
				if (event.type === "page") url = event.url as string;
				if (event.type !== "serving") return;
				visiting = visit(url);
				visiting.catch(() => undefined).finally(() => child.kill("SIGINT"));
			},
		});
		await visiting;
		t.is(exitCode, 130, stderr);
		return events;
	};
	const users = async (command: string) => {
		const { exitCode, events, stderr } = await runCli(["users", ...command.split(" "), "--state", state, "--json"]);
		t.is(exitCode, command.includes("nobody") ? 2 : 0, stderr);
		return events.at(-1) as CliEvent;
	};
	const first = await withCloud(async () => undefined);
	const [before] = first.filter(({ type }) => type === "first-log-in");
	const second = await withCloud(async (url) => {
		t.like(await new ApiClient(url).post("/invitation", { token: tokenOf(before as never) }), { status: 410 });
	});
	const links = second.filter(({ type }) => type === "first-log-in");
	t.is(links.length, 1, "nobody has a password, so the second start makes another link, and the one before ends");

	const third = await withCloud(async (url) => {
		const invited = await users(`invite --name ann --role operator --url ${url}/`);
		t.true((invited.link as string).startsWith(`${url}/#/welcome/`));
		const ann = new ApiClient(url);
		const token = tokenOf(invited as never);
		t.is((await ann.post("/invitation/accept", { token, name: "ann", password: goodPassword })).status, 200);
		t.is((await ann.get("/run")).body.state, "serving");
		const listed = (await users("list")).users as { name: string; role: string }[];
		t.deepEqual(
			listed.map(({ name, role }) => `${name} ${role}`),
			["ann operator"],
		);
		await users("remove --name ann");
		t.is((await ann.get("/run")).status, 401);
		t.is((await users("remove --name nobody")).code, "PSGL_USER_UNKNOWN");
	});
	t.true(third.some(({ type }) => type === "page"));
	const lines = (await readFile(join(folder, "psgl.log"), "utf8")).trimEnd().split("\n");
	t.is(lines.filter((line) => JSON.parse(line).msg === "started").length, 3);
	const trail = await readFile(join(state, "trail.ndjson"), "utf8");
	t.regex(trail, /"event":"password-set","user":"ann","role":"operator"/);
	const { exitCode, stdout } = await runCli(["trail", "verify", "--state", state]);
	t.is(exitCode, 0, stdout);
});

test("the page is shown to other machines over TLS alone", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = join(folder, "chest.psgl");
	await runCli(`compile --zoo lenet --input 1x28x28 --classes normal,opacity -o ${artifact}`.split(" "));
	const args = `cloud --json --artifact ${artifact} --state ${folder} --port 0 --rounds 0 --web-port 0 --web-host 0.0.0.0`;
	for (const more of [[], ["--store", "nats://127.0.0.1:1"]]) {
		const { exitCode, events } = await runCli([...args.split(" "), ...more]);
		t.is(exitCode, 2);
		t.like(events.at(-1), { type: "error", code: "PSGL_PAGE_PLAIN" });
	}
});
