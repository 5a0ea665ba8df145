import { element } from "./dom.ts";

/** A place of the page with a use of its own for what is dropped on it. */
interface Place {
  readonly plate: HTMLElement;
  readonly receive: (file: File) => void;
}

const places: Place[] = [];

/** Files dropped on this place go here, and not where those go that are dropped anywhere. */
export function listenForFilesOn(plate: HTMLElement, receive: (file: File) => void): void {
  places.push({ plate, receive });
}

/** Files dropped anywhere on the page or pasted into it. */
export function listenForFiles(receive: (file: File) => void): void {
  const stage = element("stage", HTMLElement);
  let depth = 0; // dragenter and dragleave come for every element on the way
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  const show = (): void => {
    for (const plate of [stage, ...places.map(({ plate }) => plate)]) plate.classList.toggle("dropping", depth > 0);
  };
  const add = (event: DragEvent, by: number): void => {
    if (!carriesFiles(event)) return;
    depth += by;
    show();
  };

  addEventListener("dragenter", (event) => add(event, 1));
  addEventListener("dragleave", (event) => add(event, -1));
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    depth = 0;
    show();
    const [file] = event.dataTransfer?.files ?? [];
    if (!file) return;
    event.preventDefault();
    const { target } = event;
    const place = places.find(({ plate }) => target instanceof Node && plate.contains(target));
    (place?.receive ?? receive)(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    receive(file);
  });
}
