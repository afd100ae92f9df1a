import type { Page } from "playwright-core";
import { browserSite } from "../helpers/browser.js";
import { callPage, pageStore } from "../helpers/page-calls.js";
import { deviceStoreCompliance } from "../sdk/device-store-compliance.js";

const { test, page, open } = browserSite("test/browser/page");

deviceStoreCompliance(
	"IndexedDB",
	async (t) => {
		const shared = await page();
		return { open: () => pageStore(shared, t.title) };
	},
	test,
);

test("a second tab does not get a store that is open, until the first is gone", async (t) => {
	const first = await open(t);
	await pageStore(first, "ward-3");
	const second = await first.context().newPage();
	await second.goto(first.url());
	await t.throwsAsync(pageStore(second, "ward-3"), { code: "PSGL_STORE_LOCKED" });
	await t.notThrowsAsync(pageStore(second, "ward-4"), "another device's is another matter");
	await first.close();
	await t.notThrowsAsync(untilUnlocked(second));
});

/** The lock of a closed tab is given back in the browser's own time: asks until it is. */
async function untilUnlocked(page: Page): Promise<void> {
	for (;;) {
		try {
			await pageStore(page, "ward-3");
			return;
		} catch (error) {
			if ((error as { code?: string }).code !== "PSGL_STORE_LOCKED") throw error;
		}
	}
}

test("a record that was changed, or lost, behind the store's back is found when it opens", async (t) => {
	const shared = await page();
	const store = await pageStore(shared, "ward-5");
	await store.write([{ key: "a", value: Uint8Array.of(1, 2, 3) }]);
	await store.close();
	await callPage(shared, "damage", "ward-5", "a", Buffer.from([1, 2, 4]).toString("base64"));
	await t.throwsAsync(pageStore(shared, "ward-5"), { code: "PSGL_STORE_DAMAGED" });
	// And it does not stay locked by that.
	await callPage(shared, "damage", "ward-5", "a", Buffer.from([1, 2, 3]).toString("base64"));
	t.deepEqual(await (await pageStore(shared, "ward-5")).get("a"), Uint8Array.of(1, 2, 3));
});
