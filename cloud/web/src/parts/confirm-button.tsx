import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Refused } from "../api.js";
import { Failure } from "./failure.js";

interface ConfirmButtonProps {
	readonly label: string;
	readonly title: string;
	/** What will happen. */
	readonly children: ComponentChildren;
	readonly danger?: boolean;
	readonly act: () => Promise<unknown>;
}

/** A button that asks once more, and tells when what it did was refused. */
export function ConfirmButton({ label, title, children, danger = false, act }: ConfirmButtonProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [failure, setFailure] = useState<Refused>();
	const [busy, setBusy] = useState(false);
	const confirm = async () => {
		setBusy(true);
		try {
			await act();
			setFailure(undefined);
			dialog.current?.close();
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		} finally {
			setBusy(false);
		}
	};
	return (
		<>
			<button type="button" class={danger ? "danger" : ""} onClick={() => dialog.current?.showModal()}>
				{label}
			</button>
			<dialog ref={dialog} aria-label={title}>
				<h2>{title}</h2>
				<p>{children}</p>
				<Failure of={failure} />
				<div class="actions">
					<button type="button" class="quiet" onClick={() => dialog.current?.close()}>
						Cancel
					</button>
					<button type="button" class={danger ? "danger solid" : "solid"} disabled={busy} onClick={confirm}>
						{label}
					</button>
				</div>
			</dialog>
		</>
	);
}
