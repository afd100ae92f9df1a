import { act } from "../api.js";
import { bytes, count, moment } from "../format.js";
import { Card } from "../parts/card.js";
import { ConfirmButton } from "../parts/confirm-button.js";
import { Failure } from "../parts/failure.js";
import { Pill } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import { Tile, Tiles } from "../parts/tile.js";
import type { ViewProps } from "../shell.js";
import { useResource } from "../use-resource.js";

/** Log, checkpoints and the audit trail. */
export function Storage({ user }: ViewProps) {
	const { value, failure, reload } = useResource("/storage", ["storage"]);
	const { value: trail } = useResource("/trail?last=100", ["storage", "devices"]);
	if (value === undefined) return <Failure of={failure} />;
	const { log, checkpoints } = value;
	const write = async () => {
		await act("POST", "/storage/checkpoints");
		reload();
	};
	return (
		<>
			<Tiles>
				<Tile name="Log" value={log.durable ? "on disk" : "in memory"} tone={log.durable ? "good" : "warn"} />
				<Tile name="Next entry" value={count(log.end)} note={`${count(log.end - log.openedAt)} since the start`} />
				<Tile name="Entries kept" value={count(log.end - log.start)} note={`from ${count(log.start)} on`} />
				<Tile name="Checkpoints" value={count(checkpoints.length)} />
			</Tiles>
			<div class="grid">
				<Card
					title="Checkpoints"
					wide
					aside={
						user.role === "operator" && (
							<ConfirmButton label="Write one now" title="Write a checkpoint?" act={write}>
								The state after the last finished round is written; the oldest of three gives way.
							</ConfirmButton>
						)
					}
				>
					<Table
						label="Checkpoints"
						rows={checkpoints}
						keyOf={({ file }) => file}
						empty="There is none yet: one is written after each round."
						columns={[
							{ title: "File", cell: ({ file }) => file },
							{ title: "Written", cell: ({ at }) => moment(at) },
							{ title: "Size", number: true, cell: ({ bytes: size }) => bytes(size) },
						]}
					/>
				</Card>
				<Card title="Audit trail" wide aside={<Pill tone="plain">last {trail?.entries.length ?? 0}</Pill>}>
					<Table
						label="Audit trail"
						most={25}
						rows={trail?.entries ?? []}
						keyOf={({ seq }) => seq}
						empty="Nothing happened yet."
						columns={[
							{ title: "No.", cell: ({ seq }) => count(seq) },
							{ title: "When", cell: ({ at }) => moment(at) },
							{ title: "What", cell: ({ event }) => event },
							{ title: "Details", cell: ({ seq: _, at: __, event: ___, ...details }) => said(details) },
						]}
					/>
				</Card>
			</div>
		</>
	);
}

function said(details: Readonly<Record<string, unknown>>): string {
	return Object.entries(details)
		.map(
			([name, value]) =>
				`${name} ${typeof value === "string" && value.length === 64 ? `${value.slice(0, 12)}…` : value}`,
		)
		.join(", ");
}
