"""A program that stores objects over DICOMweb, waits until their study is filed, and fetches it again.

Run it with the address of the service, a token, a folder of DICOM files and a folder for what is fetched.
"""

import sys
import time
from pathlib import Path

from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from requests import Session

url, token, folder, fetched = sys.argv[1:]
session = Session()
session.headers["Authorization"] = f"Bearer {token}"
client = DICOMwebClient(url, session=session)

objects = [dcmread(path) for path in sorted(Path(folder).glob("*.dcm"))]
study = str(objects[0].StudyInstanceUID)
answer = client.store_instances(objects)
print(f"stored: {len(answer.ReferencedSOPSequence)}", flush=True)

while len(client.search_for_instances(study)) < len(objects):
    time.sleep(0.2)  # the gateway has them; it files them now

(found,) = client.search_for_studies(search_filters={"StudyInstanceUID": study})
print(f"found: {found['00100010']['Value'][0]['Alphabetic']}, {found['00201208']['Value'][0]} images")

for dataset in client.retrieve_study(study):
    dataset.save_as(Path(fetched) / f"{dataset.SOPInstanceUID}.dcm")
print(f"fetched: {len(list(Path(fetched).iterdir()))}")
