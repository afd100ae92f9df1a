import { useState } from "preact/hooks";
import type { DeviceFigures } from "../../../src/operations/board/device-board.js";
import { ago, bytes, count, percent, short } from "../format.js";
import { Card } from "../parts/card.js";
import { Failure } from "../parts/failure.js";
import { Field } from "../parts/field.js";
import { Pill, type Tone } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import { Tile, Tiles } from "../parts/tile.js";
import type { ViewProps } from "../shell.js";
import { useNow } from "../use-now.js";
import { useResource } from "../use-resource.js";
import { DeviceDetail } from "./device-detail.js";

/** Pill of a device's state. */
export function DeviceState({ state, paused }: Pick<DeviceFigures, "state" | "paused">) {
	if (state === "online" && paused.length > 0) return <Pill tone="warn">paused: {paused.join(", ")}</Pill>;
	const looks: Readonly<Record<DeviceFigures["state"], readonly [Tone, string]>> = {
		online: ["good", "on line"],
		offline: ["bad", "off line"],
		left: ["plain", "left"],
	};
	const [tone, name] = looks[state];
	return <Pill tone={tone}>{name}</Pill>;
}

/** Every device and how it is. */
export function Devices({ user }: ViewProps) {
	const { value, failure } = useResource("/devices", ["devices"]);
	const [wanted, setWanted] = useState("");
	const [open, setOpen] = useState<string>();
	const now = useNow();
	if (value === undefined) return <Failure of={failure} />;
	const { devices } = value;
	const of = (state: DeviceFigures["state"]) => devices.filter((device) => device.state === state).length;
	const failing = devices.filter(({ lastError }) => lastError !== null).length;
	const behind = devices.filter(({ weightsBehind }) => (weightsBehind ?? 0) > 0).length;
	const shown = devices.filter((device) => `${device.id} ${device.state}`.includes(wanted.trim()));
	const detail = devices.find(({ id }) => id === open);
	return (
		<>
			<Tiles>
				<Tile name="On line" value={count(of("online"))} note={`of ${count(devices.length)}`} tone="good" />
				<Tile name="Off line" value={count(of("offline"))} tone={of("offline") > 0 ? "bad" : undefined} />
				<Tile name="Behind the weights" value={count(behind)} tone={behind > 0 ? "warn" : undefined} />
				<Tile name="With an error" value={count(failing)} tone={failing > 0 ? "warn" : undefined} />
			</Tiles>
			<Card
				title="Devices"
				wide
				aside={
					<Field
						label="Find"
						type="search"
						value={wanted}
						onInput={({ currentTarget }) => setWanted(currentTarget.value)}
					/>
				}
			>
				<Table
					label="Devices"
					rows={shown}
					keyOf={({ id }) => id}
					empty={devices.length === 0 ? "No device has said hello yet." : "No device fits."}
					columns={[
						{
							title: "Device",
							cell: ({ id }) => (
								<button type="button" class="text" onClick={() => setOpen(id)}>
									{id}
								</button>
							),
						},
						{ title: "State", cell: (device) => <DeviceState {...device} /> },
						{ title: "Last heard", cell: ({ heardAt }) => ago(heardAt, now) },
						{ title: "Weights", number: true, cell: (device) => weights(device) },
						{ title: "Model", cell: ({ model }) => (model === null ? "–" : `${short(model.digest)} ${model.state}`) },
						{
							title: "Local-head accuracy",
							number: true,
							cell: ({ localAccuracy }) => percent(localAccuracy?.accuracy ?? null),
						},
						{ title: "Up", number: true, cell: ({ bytesUp }) => bytes(bytesUp) },
						{ title: "Down", number: true, cell: ({ bytesDown }) => bytes(bytesDown) },
						{ title: "Last error", cell: ({ lastError }) => lastError?.code ?? "none" },
					]}
				/>
			</Card>
			{detail !== undefined && (
				<DeviceDetail device={detail} now={now} mayAct={user.role === "operator"} onClose={() => setOpen(undefined)} />
			)}
		</>
	);
}

function weights({ state, weights: version, weightsBehind }: DeviceFigures) {
	if (version === null) return state === "online" ? "training" : "–";
	return weightsBehind === 0 ? version : `${version}, ${weightsBehind} behind`;
}
