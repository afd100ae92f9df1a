import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runFleet } from "@psgl/firmware-sim";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import test, { type ExecutionContext } from "ava";
import type { Browser, Page } from "playwright-core";
import { auditSample } from "../helpers/audit-sample.js";
import { openBrowser } from "../helpers/chromium.js";
import { EventReader } from "../helpers/event-reader.js";
import { goodPassword, operationsCloud } from "../helpers/operations-cloud.js";
import { withPrograms } from "../helpers/outside-program.js";
import { smallDataset } from "../helpers/small-model.js";
import { clientDigest, triedModels } from "../helpers/tried-models.js";
import { openWatchedPage, requireAccessible, type Viewport } from "../helpers/watched-page.js";

const withBrowser = withPrograms("chromium");

/** One for all tests of the file, which open their tabs side by side. */
let opening: Promise<Browser> | undefined;

test.after.always(async () => (await opening)?.close());

/** The page in a tab of its own. */
async function open(t: ExecutionContext, address: string, viewport?: Viewport): Promise<Page> {
	opening ??= openBrowser();
	return openWatchedPage(t, await opening, address, viewport);
}

const go = async (page: Page, view: string) => {
	await page.getByRole("link", { name: view, exact: true }).click();
	await page.getByRole("heading", { level: 1, name: view, exact: true }).waitFor();
};

/** Devices that train in this process, on the cloud's own event loop. */
async function train(url: string): Promise<void> {
	const data = {
		name: "small",
		synthetic: true,
		train: smallDataset(48),
		validation: smallDataset(24, 2),
		test: smallDataset(2, 3),
	};
	for await (const _ of runFleet({ url, devices: 3, data, seed: 5, runtime: nodeRuntime }));
}

withBrowser("an operator logs in by the link, follows a run live, and looks at every view", async (t) => {
	// More rounds than anybody waits for: the operator ends them.
	const settings = { rounds: 5000, batchSize: 6, minDevices: 3, seed: 1 };
	const { folder, page: served, start } = await operationsCloud(t, { settings });
	const { audit, pictures } = auditSample();
	await writeFile(join(folder, "audit.json"), JSON.stringify(audit));
	await writeFile(join(folder, "audit-pictures.json"), JSON.stringify(pictures));
	const cloud = await start();
	const page = await open(t, (await served.firstLink())?.link ?? "");
	await page.getByLabel("Name", { exact: true }).fill("ann");
	await page.getByLabel("Password", { exact: true }).fill(goodPassword);
	await requireAccessible(t, page, "welcome");
	await page.getByRole("button", { name: "Set password and log in" }).click();
	await page.getByText("Waiting for devices").waitFor();
	t.false(page.url().includes("welcome"), "the token is out of the address");
	await page.getByText("Live", { exact: true }).waitFor();

	const training = train(cloud.url);
	await page.getByText("Training", { exact: true }).waitFor();
	await page.getByRole("img", { name: /Loss of the last steps by stream, 3 lines/ }).waitFor();
	await page.getByRole("img", { name: /^Accuracy by stream, 4 lines over ([2-9]|\d\d+) points$/ }).waitFor();
	await page.getByRole("button", { name: "End training" }).click();
	await requireAccessible(t, page, "before the end");
	await page.getByRole("dialog").getByRole("button", { name: "End training" }).click();
	await training;
	await page.getByText("Answering requests").waitFor();
	await page.getByText("stopped", { exact: true }).waitFor();
	const { reason, rounds } = await cloud.aggregator.result;
	t.is(reason, "stopped");
	await page.getByText(`${rounds} / 5000`).waitFor();
	const table = page.getByRole("region", { name: "Rounds, table" });
	await table.getByRole("rowheader", { name: `${rounds}` }).waitFor();
	await requireAccessible(t, page, "run");

	await go(page, "Devices");
	await page.getByRole("button", { name: "device-1" }).waitFor();
	t.is(await page.getByRole("table").getByRole("row").count(), 4);
	await page.getByRole("button", { name: "device-1" }).click();
	const detail = page.getByRole("dialog");
	await detail.getByText("samples of its last leg").waitFor();
	// 8, or as many as it had validated when the operator ended the run.
	await detail.getByText(/% of the \d samples of its last validation$/).waitFor();
	await detail.getByText("nothing yet").waitFor();
	const wish = detail.getByLabel("Settings as JSON");
	await wish.fill('{"dutyCycle": 2}');
	await detail.getByRole("button", { name: "Want these" }).click();
	await detail.getByRole("alert").filter({ hasText: "dutyCycle" }).waitFor();
	await wish.fill("half");
	await detail.getByRole("button", { name: "Want these" }).click();
	await detail.getByRole("alert").filter({ hasText: "no JSON" }).waitFor();
	await requireAccessible(t, page, "a device");
	await wish.fill('{"dutyCycle": 0.5}');
	await detail.getByRole("button", { name: "Want these" }).click();
	await detail.getByText("version 1: dutyCycle 0.5").waitFor();
	await page.keyboard.press("Escape");
	await detail.waitFor({ state: "hidden" });
	await page.getByLabel("Find").fill("device-2");
	await page.getByRole("button", { name: "device-1" }).waitFor({ state: "hidden" });
	t.is(await page.getByRole("table").getByRole("row").count(), 2);
	await requireAccessible(t, page, "devices");

	await go(page, "Models");
	await page.getByText("not signed").waitFor();
	await requireAccessible(t, page, "models");
	await go(page, "Privacy");
	await page.getByRole("img", { name: "decoder, victim 2" }).first().waitFor();
	await page.getByRole("img", { name: /decoder 0\.45, kernel-ridge 0\.38/ }).waitFor();
	await requireAccessible(t, page, "privacy");
	await go(page, "Log & checkpoints");
	await page.getByRole("button", { name: "Write one now" }).first().click();
	await page.getByRole("dialog").getByRole("button", { name: "Write one now" }).click();
	await page.getByText("checkpoint-asked").waitFor();
	await requireAccessible(t, page, "storage");
});

withBrowser("a viewer gets in by an operator's link, acts on nothing, and reads it on a phone", async (t) => {
	const { operator, start, url } = await operationsCloud(t);
	await start();
	const ann = await operator();
	const page = await open(t, url);
	await page.getByLabel("Name", { exact: true }).fill("ann");
	await page.getByLabel("Password", { exact: true }).fill("not the password");
	await page.keyboard.press("Enter");
	await page.getByRole("alert").filter({ hasText: "name or password is wrong" }).waitFor();
	await requireAccessible(t, page, "log-in");
	await page.getByLabel("Password", { exact: true }).fill(goodPassword);
	await page.keyboard.press("Enter");
	await go(page, "Users");
	await page.getByLabel("Name", { exact: true }).fill("bob");
	await page.getByRole("button", { name: "Make a link" }).click();
	const link = (await page.getByRole("status").locator("code").textContent()) ?? "";
	t.true(link.startsWith(`${url}/#/welcome/`));
	await requireAccessible(t, page, "users");

	const phone = await open(t, link, { width: 390, height: 844 });
	await phone.getByLabel("Password", { exact: true }).fill(goodPassword);
	await phone.getByRole("button", { name: "Set password and log in" }).click();
	await phone.getByRole("heading", { level: 1, name: "Run" }).waitFor();
	t.is(await phone.getByRole("link", { name: "Users" }).count(), 0);
	for (const view of ["Run", "Devices", "Models", "Privacy", "Log & checkpoints"]) {
		await go(phone, view);
		t.is(await phone.getByRole("button", { name: /Write one now|End training/ }).count(), 0);
		const wider = await phone.evaluate("document.documentElement.scrollWidth - innerWidth");
		t.true((wider as number) <= 0, `${view} is as wide as the phone`);
	}
	await requireAccessible(t, phone, "on a phone");
	await phone.getByLabel("Colours").selectOption("dark");
	const ground = () => phone.evaluate("getComputedStyle(document.body).backgroundColor");
	t.is(await ground(), "rgb(14, 20, 27)");
	await phone.reload();
	t.is(await ground(), "rgb(14, 20, 27)", "the choice is kept");
	await phone.getByRole("heading", { level: 1 }).waitFor();
	await phone.keyboard.press("Tab");
	t.is(await phone.evaluate("document.activeElement.textContent"), "Skip to content");
	await phone.keyboard.press("Enter");
	t.is(await phone.evaluate("document.activeElement.tagName"), "H1");

	await ann.call("DELETE", "/users/bob");
	await ann.post("/storage/checkpoints");
	await phone.getByRole("heading", { name: "Log in to psgl operations" }).waitFor();
});

withBrowser(
	"a roll-out is followed, narrowed, halted and taken back on the page, and devices have the old model again",
	async (t) => {
		const models = await triedModels();
		const [stable, good] = [await clientDigest(models.stable), await clientDigest(models.good)];
		const { operator, start, url, folder } = await operationsCloud(t, {
			artifact: models.stable,
			settings: { rounds: 0 },
		});
		const cloud = await start();
		const watchers = new Set<() => void>();
		const devices = await Promise.all(
			["ward-1", "ward-2"].map(async (id) => {
				const device = await Device.connect({
					url: cloud.url,
					id,
					runtime: nodeRuntime,
					data: { train: models.data },
					store: await openDeviceStore(join(folder, id)),
					onModel: () => {
						for (const look of watchers) look();
					},
				});
				t.teardown(() => device.close());
				await device.ready();
				return device;
			}),
		);
		/** Resolves when every device decides with this model. */
		const haveModel = (digest: string) =>
			new Promise<void>((resolve) => {
				const look = () => {
					if (devices.every(({ artifact }) => artifact === digest)) resolve();
				};
				watchers.add(look);
				look();
			});
		const page = await open(t, url);
		await operator();
		await page.getByLabel("Name", { exact: true }).fill("ann");
		await page.getByLabel("Password", { exact: true }).fill(goodPassword);
		await page.keyboard.press("Enter");
		await go(page, "Models");
		await page.getByText("Copy a joint artifact").waitFor();
		await mkdir(join(folder, "candidates"));
		await writeFile(join(folder, "candidates", "broken.psgl"), "no artifact");
		await writeFile(join(folder, "candidates", "good.psgl"), models.goodBytes);
		const events = new EventReader(cloud.aggregator.events());
		await go(page, "Run");
		await go(page, "Models");
		const candidate = page.getByLabel("Candidate");
		await candidate.selectOption("broken.psgl");
		await page.getByRole("button", { name: "Begin" }).click();
		await page.getByRole("alert").waitFor();
		await requireAccessible(t, page, "before a roll-out");
		await candidate.selectOption("good.psgl");
		await page.getByLabel("Per cent of the devices first").fill("100");
		await page.getByRole("button", { name: "Begin" }).click();
		await page.getByText("running", { exact: true }).waitFor();
		await page.getByRole("img", { name: /0 offered, 0 failed$/ }).waitFor();
		await haveModel(good);
		await requireAccessible(t, page, "a roll-out");
		await page.getByLabel("Per cent of the devices").fill("80");
		await page.getByRole("button", { name: "Set", exact: true }).click();
		await page.getByText("80 %").waitFor();
		t.is(cloud.aggregator.rollout?.status().percentage, 80);
		const order = async (name: string) => {
			await page.getByRole("button", { name }).click();
			await page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
		};
		await order("Halt");
		await page.getByText("halted", { exact: true }).waitFor();
		await order("Roll back");
		await page.getByText("rolled back", { exact: true }).waitFor();
		await page.getByText("ordered on the operations page").waitFor();
		await haveModel(stable);
		t.is(cloud.aggregator.rollout?.status().phase, "rolled-back");
		t.true(events.types.includes("rollout"));
		t.is(await page.getByRole("button", { name: "Roll back" }).count(), 0);
	},
);
