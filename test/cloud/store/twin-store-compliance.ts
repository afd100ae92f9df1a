import type { TwinStore } from "@psgl/cloud";
import type { ReportedMessage } from "@psgl/sdk/protocol";
import type { ExecutionContext } from "ava";
import { Condition } from "../../helpers/condition.js";

type Define = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

/** Two that use the same twins, as the cloud and `psgl twins` do, and a way to spoil what is wanted of a device. */
export interface SharedTwins {
	readonly cloud: TwinStore;
	readonly operator: TwinStore;
	spoil(device: string): Promise<void>;
}

const disclosure = { records: 3, releases: 4, bits: 5, mostBits: 2, mostEpsilon: 0, leftOut: 0 };

const report = (device: string, version: number): ReportedMessage => ({
	type: "reported",
	device,
	version,
	settings: { window: 2 },
	errors: { nice: "no" },
	disclosure,
});

/** What every implementation of the `TwinStore` port must do. `open` makes an empty one. */
export function twinStoreCompliance(
	test: Define,
	name: string,
	open: (t: ExecutionContext) => Promise<SharedTwins>,
): void {
	test(`${name}: what is wanted of a device is a version later each time, and replaces what was before whole`, async (t) => {
		const { cloud, operator } = await open(t);
		t.is(await cloud.desired("ward-1"), undefined);
		t.deepEqual(await operator.set("ward-1", { window: 2, dutyCycle: 0.5 }), {
			version: 1,
			settings: { window: 2, dutyCycle: 0.5 },
		});
		t.deepEqual(await operator.set("ward-1", { maxCelsius: 70 }), { version: 2, settings: { maxCelsius: 70 } });
		t.deepEqual(await cloud.desired("ward-1"), { version: 2, settings: { maxCelsius: 70 } });
		t.is(await cloud.desired("ward-2"), undefined);
	});

	test(`${name}: what a device tells is kept beside what is wanted, the last of it`, async (t) => {
		const { cloud, operator } = await open(t);
		await cloud.reported(report("ward_9", 0));
		await cloud.reported(report("ward_9", 4));
		await operator.set("A-1", {});
		const { type: _, ...told } = report("ward_9", 4);
		t.deepEqual(await operator.get("ward_9"), { device: "ward_9", desired: undefined, reported: told });
		t.deepEqual(await operator.list(), [
			{ device: "A-1", desired: { version: 1, settings: {} }, reported: undefined },
			{ device: "ward_9", desired: undefined, reported: told },
		]);
	});

	test(`${name}: who watches hears of each device of which something else is wanted, and of no report`, async (t) => {
		const { cloud, operator } = await open(t);
		await operator.set("before", { window: 2 });
		const heard = new Set<string>();
		const change = new Condition();
		using _ = cloud.watch((device) => {
			heard.add(device);
			change.notify();
		});
		await cloud.reported(report("quiet", 1));
		await operator.set("one", { window: 3 });
		await change.until(() => heard.has("one"));
		await operator.set("two", { window: 4 });
		await change.until(() => heard.has("two"));
		t.false(heard.has("quiet"));
		t.deepEqual(await cloud.desired("two"), { version: 1, settings: { window: 4 } });
	});

	test(`${name}: settings and names no device would take are refused, and change nothing`, async (t) => {
		const { cloud, operator } = await open(t);
		await operator.set("ward-1", { window: 2 });
		for (const bad of [{ colour: "red" }, { dutyCycle: 2 }, { window: "2" }]) {
			await t.throwsAsync(operator.set("ward-1", bad), { code: "PSGL_TWIN_REFUSED" });
		}
		for (const bad of ["", "../x", "a.b", "a/b", "*", "a".repeat(65)]) {
			await t.throwsAsync(operator.set(bad, {}), { code: "PSGL_TWIN_REFUSED" }, bad);
		}
		t.deepEqual(await cloud.desired("ward-1"), { version: 1, settings: { window: 2 } });
		t.is((await cloud.list()).length, 1);
	});

	test(`${name}: a twin that is damaged is told, and others can still be read`, async (t) => {
		const { cloud, operator, spoil } = await open(t);
		await operator.set("ward-1", { window: 2 });
		await operator.set("ward-2", { window: 2 });
		await spoil("ward-1");
		await t.throwsAsync(cloud.desired("ward-1"), { code: "PSGL_TWIN_DAMAGED" });
		await t.throwsAsync(operator.set("ward-1", {}), { code: "PSGL_TWIN_DAMAGED" });
		await t.throwsAsync(operator.list(), { code: "PSGL_TWIN_DAMAGED" });
		t.is((await cloud.desired("ward-2"))?.version, 1);
	});
}
