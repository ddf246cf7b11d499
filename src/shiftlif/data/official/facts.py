"""The table of facts: what each set is, where its files come from, what they look like, how it is split.

Checksums are the publisher's (Zenodo, figshare, TensorFlow Datasets) or, for the two sets of the UCI repository, which
publishes none, the ones that several public projects recorded of the same archive. A set without a stated licence or
without a stable public address has no ``Remote``: its files are fetched by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shiftlif.data.official.audio import gsc35, urbansound8k
from shiftlif.data.official.collection import Collection
from shiftlif.data.official.event_sets import CIFAR_CLASSES, cifar10_dvs, n_caltech101
from shiftlif.data.official.motion import hhar, uci_har_official
from shiftlif.data.official.wifi import aril, bullydetect, fi_humanid, ut_har

Reader = Callable[[Path, str], Collection]


@dataclass(frozen=True)
class Remote:
    """An archive that may be fetched automatically.

    Attributes:
        url: public address.
        checksum: ``md5:...`` or ``sha256:...`` as published.
        file: its name in the data set's folder.
        gives: what is there once it is unpacked, relative to the folder of the set's files (see ``Official.below``).
        nested: archives inside it that are unpacked as well.
    """

    url: str
    checksum: str
    file: str
    gives: str
    nested: tuple[str, ...] = ()


@dataclass(frozen=True)
class Official:
    """What is known about a data set and its official files.

    Attributes:
        modality, task, source: as in ``Spec``; ``source`` is citation and licence.
        reader: ``(root, protocol) -> Collection``.
        marker: a file or folder that is there when the set is, in ``$SHIFTLIF_DATA/<name>`` or in one of ``below``.
        below: folders that the set's archives make.
        layout: what lies below the folder with ``marker``, one line.
        by_hand: what to fetch where, when it is not fetched automatically.
        remotes: archives that ``fetch`` may download; none when licence or host do not allow it.
        splits: how each protocol divides the set.
        samples: published number of samples; None where windows depend on the cut.
        front_end: what is done to a sample unless the caller asks for something else.
    """

    modality: str
    task: str
    source: str
    reader: Reader
    marker: str
    below: tuple[str, ...]
    layout: str
    by_hand: str
    splits: Mapping[str, str]
    samples: int | None
    remotes: tuple[Remote, ...] = ()
    front_end: Mapping[str, Any] = field(default_factory=lambda: {"name": "none"})

    @property
    def wanted(self) -> tuple[str, ...]:
        """What one folder holds when the set is complete: the marker and what each archive gives."""
        return (self.marker, *(remote.gives for remote in self.remotes))


_SENSEFI = "https://drive.google.com/drive/folders/13qxmFQ-h8ei2m7EbBQOCxCHZJ_cDJGFY"
_UCI = "https://archive.ics.uci.edu"
_FRAMES = {"name": "sum_frames", "frames": 4}
_CIFAR_FILES = {  # https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671: number and MD5 of <class>.zip
    "airplane": ("7712788", "0afd5c4bf9ae06af762a77b180354fdd"),
    "automobile": ("7712791", "8438dfeba3bc970c94962d995b1b9bdd"),
    "bird": ("7712794", "a9c207c91c55b9dc2002dc21c684d785"),
    "cat": ("7712812", "52c63c677c2b15fa5146a8daf4d56687"),
    "deer": ("7712815", "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
    "dog": ("7712818", "f379ebdf6703d16e0a690782e62639c3"),
    "frog": ("7712842", "cad6ed91214b1c7388a5f6ee56d08803"),
    "horse": ("7712851", "e7cbbf77bec584ffbf913f00e682782a"),
    "ship": ("7712836", "41c7bd7d6b251be82557c6cce9a7d5c9"),
    "truck": ("7712839", "89f3922fd147d9aeff89e76a2b0b70a7"),
}

OFFICIAL: dict[str, Official] = {
    "aril": Official(
        modality="wireless",
        task="6 hand gestures, WiFi CSI amplitude, 52 subcarriers, 192 steps",
        source="Wang et al., Joint Activity Recognition and Indoor Localization, IEEE Access 2019, arXiv:1904.04964; "
        "no licence stated, do not redistribute",
        reader=aril,
        marker="train_data_split_amp.mat",
        below=("data",),
        layout="train_data_split_amp.mat, test_data_split_amp.mat: {train,test}_data [N, 52, 192], "
        "{train,test}_activity_label [N, 1] (0 to 5)",
        by_hand="download the archive that https://github.com/geekfeiw/ARIL links to (Google Drive "
        "1SCxUHbl6rNWM3kT0c-D4s_kyAero9_-o) and unpack it",
        splits={
            "ours": "official test part (278); validation by class: one person, all places in all parts",
            "soul": "official halves (1116 / 278)",
        },
        samples=1394,
    ),
    "ut_har": Official(
        modality="wireless",
        task="7 activities, WiFi CSI amplitude, 3 antennas x 30 subcarriers, 250 steps",
        source="Yousefi et al., IEEE Communications Magazine 55(10), 2017; windows of SenseFi, Yang et al., Patterns "
        "2023; no licence stated, do not redistribute",
        reader=ut_har,
        marker="data/X_train.csv",
        below=("UT_HAR",),
        layout="data/X_{train,val,test}.csv and label/y_{train,val,test}.csv, NumPy arrays [N, 250, 90] and [N] under "
        "a .csv name; class names in the order of SenseFi's README",
        by_hand=f"download the folder UT_HAR of the processed data of "
        f"https://github.com/xyanchen/WiFi-CSI-Sensing-Benchmark ({_SENSEFI})",
        splits={
            "ours": "official training, validation and test parts (3977 / 496 / 500)",
            "soul": "official training part; official validation and test parts together test (3977 / 996)",
        },
        samples=4973,
    ),
    "fi_humanid": Official(
        modality="wireless",
        task="gait of 14 persons, WiFi CSI amplitude, 3 antennas x 114 subcarriers, 500 steps",
        source="Wang et al., CAUTION, IEEE Internet of Things Journal 2022; SenseFi, Yang et al., Patterns 2023; no "
        "licence stated, do not redistribute",
        reader=fi_humanid,
        marker="train_amp",
        below=("NTU-Fi-HumanID",),
        layout="{train,test}_amp/<person>/<recording>.mat with CSIamp [342, 2000], 14 person folders",
        by_hand=f"download the folder NTU-Fi-HumanID of the processed data of "
        f"https://github.com/xyanchen/WiFi-CSI-Sensing-Benchmark ({_SENSEFI})",
        splits={
            "ours": "official test part (294); validation by class: the class is the person",
            "soul": "official halves (546 / 294)",
        },
        samples=840,
    ),
    "bullydetect": Official(
        modality="wireless",
        task="7 kinds of physical bullying, WiFi CSI amplitude, 3 antennas x 30 subcarriers, 250 means of 4 packets",
        source="Lan et al., BullyDetect, IEEE Internet of Things Journal 2024, doi:10.1109/JIOT.2024.3486071; code "
        "MIT, licence of the data on its Kaggle page",
        reader=bullydetect,
        marker="train_list.csv",
        below=("wifi_violence_processed_loc",),
        layout="train_list.csv and test_list.csv with a column file, {train,test}/<file>.h5 with amp [90, 1000] and "
        "label [1] (1 to 7). ASSUMED from the loader in https://github.com/aiotgroup/WiFi-BullyDetect: the layout of "
        "the archive itself is not documented",
        by_hand="download the preprocessed data from https://www.kaggle.com/datasets/laptype/wifi-bullydetect (needs "
        "an account) and unpack it, or convert what it holds to the layout below",
        splits={
            "ours": "the authors' test list; validation by class: the lists name no persons",
            "soul": "the authors' lists (8960 / 2240)",
        },
        samples=11_200,
    ),
    "urbansound8k": Official(
        modality="acoustic",
        task="10 urban sounds, clips of up to 4 s, resampled to 16 kHz",
        source="Salamon, Jacoby, Bello, A Dataset and Taxonomy for Urban Sound Research, ACM MM 2014; CC BY-NC",
        reader=urbansound8k,
        marker="metadata/UrbanSound8K.csv",
        below=("UrbanSound8K",),
        layout="metadata/UrbanSound8K.csv (slice_file_name, fold, classID, class), audio/fold1 ... fold10/<name>.wav",
        by_hand="download UrbanSound8K.tar.gz (6 GB) from https://zenodo.org/records/1203745 and unpack it",
        splits={
            "ours": "folds 1 to 8 train, 9 validates, 10 tests",
            "soul": "folds 1 to 8 train, 9 and 10 test (7079 / 1653)",
        },
        samples=8732,
        remotes=(
            Remote(
                url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
                checksum="md5:9aa69802bbf37fb986f71ec1483a196e",
                file="UrbanSound8K.tar.gz",
                gives="metadata/UrbanSound8K.csv",
            ),
        ),
        front_end={"name": "log_mel"},
    ),
    "gsc35": Official(
        modality="acoustic",
        task="35 spoken words, one-second clips at 16 kHz",
        source="Warden, Speech Commands v0.02, arXiv:1804.03209; CC BY 4.0",
        reader=gsc35,
        marker="testing_list.txt",
        below=("speech_commands_v0.02", "SpeechCommands/speech_commands_v0.02"),
        layout="<word>/<speaker>_nohash_<n>.wav for 35 words, validation_list.txt, testing_list.txt",
        by_hand="download speech_commands_v0.02.tar.gz (2.4 GB) from https://storage.googleapis.com/"
        "download.tensorflow.org/data/speech_commands_v0.02.tar.gz and unpack it",
        splits={
            "ours": "official lists, disjoint in speakers (84843 / 9981 / 11005)",
            "soul": "a random fifth of each word tests (84663 / 21166); speakers are in both halves, and the draw is "
            "not SOUL's, which depended on the order of the folder",
        },
        samples=105_829,
        remotes=(
            Remote(
                url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                checksum="sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                file="speech_commands_v0.02.tar.gz",
                gives="testing_list.txt",
            ),
        ),
        front_end={"name": "log_mel"},
    ),
    "uci_har_official": Official(
        modality="motion",
        task="6 activities, waist phone, body acceleration, angular velocity, total acceleration, 50 Hz",
        source="Anguita et al., ESANN 2013, doi:10.24432/C54S4K; CC BY 4.0 (UCI), cite, no commercial use (README)",
        reader=uci_har_official,
        marker="train/y_train.txt",
        below=("UCI HAR Dataset",),
        layout="{train,test}/Inertial Signals/{body_acc,body_gyro,total_acc}_{x,y,z}_{train,test}.txt (128 numbers a "
        "line), {train,test}/y_*.txt (1 to 6), {train,test}/subject_*.txt",
        by_hand=f"download human+activity+recognition+using+smartphones.zip from {_UCI}/dataset/240, unpack it and the "
        f"archive inside",
        splits={
            "ours": "official, by subject (21 / 9); validation on whole training subjects",
            "soul": "official halves, by subject (7352 / 2947)",
        },
        samples=10_299,
        remotes=(
            Remote(
                url=f"{_UCI}/static/public/240/human+activity+recognition+using+smartphones.zip",
                checksum="sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
                file="human+activity+recognition+using+smartphones.zip",
                gives="train/y_train.txt",
                nested=("UCI HAR Dataset.zip",),
            ),
        ),
    ),
    "hhar": Official(
        modality="motion",
        task="6 activities, acceleration (m/s^2) of 8 phones on 9 users, 50 to 200 Hz, 128 samples",
        source="Stisen et al., Smart Devices are Different, SenSys 2015, doi:10.24432/C5689X; CC BY 4.0",
        reader=hhar,
        marker="Phones_accelerometer.csv",
        below=("Activity recognition exp",),
        layout="Phones_accelerometer.csv: Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt",
        by_hand=f"download heterogeneity+activity+recognition.zip from {_UCI}/dataset/344, unpack it and 'Activity "
        f"recognition exp.zip' inside",
        splits={
            "ours": "users h and i test; validation on whole users of the other seven",
            "soul": "a random fifth of the windows of each class tests; overlapping windows are in both halves",
        },
        samples=None,
        remotes=(
            Remote(
                url=f"{_UCI}/ml/machine-learning-databases/00344/Activity%20recognition%20exp.zip",
                checksum="sha256:d4c0c53b195b523859bf71f5a349d164c7a604a321ff6b0972fbed6e03b46582",
                file="Activity recognition exp.zip",
                gives="Phones_accelerometer.csv",
            ),
        ),
    ),
    "cifar10_dvs": Official(
        modality="event camera",
        task="10 kinds of object, 128 x 128 pixels added up to 32 x 32, two polarities, about 1.3 s",
        source="Li et al., CIFAR10-DVS, Frontiers in Neuroscience 11:309, 2017; CC BY 4.0 (figshare)",
        reader=cifar10_dvs,
        marker="airplane",
        below=("CIFAR10DVS",),
        layout="<class>/cifar10_<class>_<n>.aedat (AER-DAT 2.0), 10 class folders of 1000 files",
        by_hand="download the ten archives (7 GB) of https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 "
        "and unpack them",
        splits={
            "ours": "the last tenth of each class tests; validation by class",
            "soul": "the last tenth of each class tests (9000 / 1000)",
        },
        samples=10_000,
        remotes=tuple(
            Remote(
                url=f"https://ndownloader.figshare.com/files/{_CIFAR_FILES[name][0]}",
                checksum=f"md5:{_CIFAR_FILES[name][1]}",
                file=f"{name}.zip",
                gives=name,
            )
            for name in CIFAR_CLASSES
        ),
        front_end=_FRAMES,
    ),
    "n_caltech101": Official(
        modality="event camera",
        task="101 kinds of object, 180 x 240 pixels added up to 30 x 40, two polarities, 0.3 s",
        source="Orchard et al., Frontiers in Neuroscience 9:437, 2015; licence on its Mendeley Data page, cite",
        reader=n_caltech101,
        marker="accordion",
        below=("Caltech101",),
        layout="<class>/image_<n>.bin (40 bits per event, as N-MNIST), 101 class folders",
        by_hand="download Caltech101.zip (MD5 66201824eabb0239c7ab992480b50ba3) from "
        "https://data.mendeley.com/datasets/cy6cvx3ryv/1 or https://www.garrickorchard.com/datasets/n-caltech101 "
        "after reading the licence there, and unpack it",
        splits={
            "ours": "the last tenth of each class tests; validation by class",
            "soul": "the last tenth of each class tests",
        },
        samples=8709,
        front_end=_FRAMES,
    ),
}
