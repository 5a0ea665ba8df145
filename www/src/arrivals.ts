import { element } from "./dom.ts";

/** Files dropped anywhere on the page or pasted into it. */
export function listenForFiles(receive: (file: File) => void): void {
  const stage = element("stage", HTMLElement);
  let depth = 0; // dragenter and dragleave come for every element on the way
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

  addEventListener("dragenter", (event) => {
    if (carriesFiles(event)) stage.classList.toggle("dropping", ++depth > 0);
  });
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event)) stage.classList.toggle("dropping", --depth > 0);
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    depth = 0;
    stage.classList.remove("dropping");
    const [file] = event.dataTransfer?.files ?? [];
    if (!file) return;
    event.preventDefault();
    receive(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    receive(file);
  });
}
