import { useEffect, useRef } from "preact/hooks";
import type { DeviceFigures } from "../../../src/operations/board/device-board.js";
import { ago, bytes, count, figure, moment, percent, short } from "../format.js";
import { Facts } from "../parts/facts.js";
import { DeviceTwin } from "./device-twin.js";
import { DeviceState } from "./devices.js";

interface DeviceDetailProps {
	readonly device: DeviceFigures;
	readonly now: number;
	readonly mayAct: boolean;
	readonly onClose: () => void;
}

/** Everything that is known of one device. */
export function DeviceDetail({ device, now, mayAct, onClose }: DeviceDetailProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	const { disclosure, lastError, model, samples, localAccuracy } = device;
	return (
		<dialog ref={dialog} class="drawer" aria-label={`Device ${device.id}`} onClose={onClose}>
			<header>
				<h2>{device.id}</h2>
				<DeviceState {...device} />
				<button type="button" class="quiet" onClick={() => dialog.current?.close()}>
					Close
				</button>
			</header>
			<Facts
				of={[
					["Software", device.agent],
					["Last heard", ago(device.heardAt, now)],
					["Samples", `${count(samples.train)} to train, ${count(samples.validation)} to validate`],
					["Weights", device.weights === null ? "it trains on, has left, or it is in doubt" : count(device.weights)],
					["Model", model === null ? "none was sent" : `${model.state}: ${short(model.digest)}`],
					[
						"Local-head loss",
						device.localLoss === null
							? "it told of none"
							: `${figure(device.localLoss)} over ${count(device.trainedSamples)} samples of its last leg`,
					],
					[
						"Local-head accuracy",
						localAccuracy === null
							? "it told of none"
							: `${percent(localAccuracy.accuracy)} of the ${count(localAccuracy.samples)} samples of its last validation`,
					],
					["Payload", `${bytes(device.bytesUp)} up, ${bytes(device.bytesDown)} down`],
					["Left behind", `${count(device.leftBehind)} times`],
					["Last error", lastError === null ? "none" : `${lastError.code}, ${moment(lastError.at)}: ${lastError.what}`],
				]}
			/>
			<h3>Disclosure ledger</h3>
			{disclosure === null ? (
				<p class="muted">The device told of none.</p>
			) : (
				<Facts
					of={[
						["Records", count(disclosure.records)],
						["Releases", count(disclosure.releases)],
						["Bits in all", count(disclosure.bits)],
						["Most of one record", `${count(disclosure.mostBits)} bits`],
						["Budget of a record", disclosure.budgetBits === null ? "none" : `${count(disclosure.budgetBits)} bits`],
						["Left out for the budget", count(disclosure.leftOut)],
					]}
				/>
			)}
			<h3>Digital twin</h3>
			<DeviceTwin device={device.id} mayAct={mayAct} />
		</dialog>
	);
}
