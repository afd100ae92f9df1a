import { deviceTopic, everyDevice, parseTopic } from "@psgl/sdk/protocol";
import test from "ava";

test("topics are built and taken apart", (t) => {
	t.is(deviceTopic("ward-3", "up"), "psgl/1/ward-3/up");
	t.is(everyDevice("status"), "psgl/1/+/status");
	for (const channel of ["up", "down", "status"] as const) {
		t.deepEqual(parseTopic(deviceTopic("A_b-9", channel)), { device: "A_b-9", channel });
	}
});

for (const topic of [
	"",
	"psgl/1/a",
	"psgl/2/a/up",
	"other/1/a/up",
	"psgl/1/a/sideways",
	"psgl/1/a/up/more",
	"psgl/1//up",
	"psgl/1/+/up",
	"psgl/1/a b/up",
	`psgl/1/${"a".repeat(65)}/up`,
]) {
	test(`"${topic}" is none of psgl's topics`, (t) => t.is(parseTopic(topic), undefined));
}
