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
window.whence.takeFile(input, zone, send);
