// Where a file is chosen or dropped; gives 'upload' {token} or {refused: "why"}.
const zone = element.querySelector(".drop");
const input = element.querySelector("input");
const words = element.querySelector(".drop-words");
const said = words.textContent;
const send = async (file) => {
  words.textContent = `Reading ${file.name} …`;
  trigger("upload", await window.whence.upload(file));
  words.textContent = said;
  input.value = "";
};
input.addEventListener("change", () => input.files[0] && send(input.files[0]));
zone.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("is-target");
});
zone.addEventListener("dragleave", () => zone.classList.remove("is-target"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("is-target");
  if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
});
