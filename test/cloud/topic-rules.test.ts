import { isDeviceId, mayLeaveWill, maySubscribe, uplinkChannel } from "@psgl/cloud";
import test from "ava";
import fc from "fast-check";

test("a client publishes on its own up and status topics", (t) => {
	t.is(uplinkChannel("ward-3", "psgl/1/ward-3/up"), "up");
	t.is(uplinkChannel("ward-3", "psgl/1/ward-3/status"), "status");
});

test("everything else is denied", (t) => {
	for (const topic of [
		"psgl/1/ward-3/down",
		"psgl/1/ward-4/up",
		"psgl/1/ward-4/status",
		"psgl/2/ward-3/up",
		"psgl/1/ward-3/up/more",
		"psgl/1/+/up",
		"psgl/1/ward-3/#",
		"$SYS/ward-3/up",
		"",
		"up",
	]) {
		t.is(uplinkChannel("ward-3", topic), undefined, topic);
	}
});

test("a client subscribes to its own down topic only", (t) => {
	t.true(maySubscribe("ward-3", "psgl/1/ward-3/down"));
	for (const filter of ["psgl/1/ward-4/down", "psgl/1/+/down", "psgl/1/ward-3/#", "#", "$SYS/#", "psgl/1/ward-3/up"]) {
		t.false(maySubscribe("ward-3", filter), filter);
	}
});

test("a last will speaks for its own client only", (t) => {
	t.true(mayLeaveWill("ward-3", "psgl/1/ward-3/status"));
	t.false(mayLeaveWill("ward-3", "psgl/1/ward-4/status"));
	t.false(mayLeaveWill("ward-3", "psgl/1/ward-3/up"));
});

test("an id that is allowed can stand in no other id's topics", (t) => {
	fc.assert(
		fc.property(fc.string(), fc.string(), (client, other) => {
			if (!isDeviceId(client) || client === other) return true;
			return uplinkChannel(client, `psgl/1/${other}/up`) === undefined && !maySubscribe(client, `psgl/1/${other}/down`);
		}),
	);
	t.false(isDeviceId("a/b"));
	t.false(isDeviceId("+"));
	t.false(isDeviceId(""));
});
